"""Tells whether a file holds several pictures: the frames of an animation, or pages.

Sources: APNG 1.0 (acTL), RFC 9649 section 2.7 (WebP), TIFF 6.0 section 8.
"""

import io
import struct
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from phiz.image import tiff
from phiz.image.formats import ImageFormat
from phiz.image.headers import find_png_chunks
from phiz.image.pillow import DECODERS, translate_errors

_RIFF_HEADER_BYTES = 12
_CHUNK_HEADER = struct.Struct("<4sI")
_FRAME_CHUNK, _LOSSLESS_CHUNK, _LOSSY_CHUNK = b"ANMF", b"VP8L", b"VP8 "


class _Chunk(NamedTuple):
    """A chunk of a RIFF file: its name, and the place of its content."""

    name: bytes
    start: int
    end: int


def has_several_frames(image_format: ImageFormat, image_bytes: bytes) -> bool:
    """Return whether a readable file has another frame or page beside the one that is read.

    Raises:
        UndecodableImageError: The file is damaged.
    """
    match image_format:
        case "JPEG" | "BMP":
            return False
        case "PNG":
            return _count_png_frames(image_bytes) > 1
        case "WebP":
            frames = (chunk for chunk in _iter_chunks(image_bytes) if chunk.name == _FRAME_CHUNK)
            return len(list(islice(frames, 2))) > 1
        case "TIFF":
            return len(list(islice(tiff.iter_full_pages(image_bytes), 2))) > 1
    decoder = DECODERS.get(image_format)
    if decoder is None:
        return False
    with (
        translate_errors(image_format, len(image_bytes), 1),
        decoder(io.BytesIO(image_bytes)) as image,
    ):
        return bool(getattr(image, "is_animated", False))


def is_lossless_webp(image_bytes: bytes) -> bool:
    """Return whether the pixels of a WebP without frames are stored without loss."""
    names = {chunk.name for chunk in _iter_chunks(image_bytes)}
    return _LOSSLESS_CHUNK in names and _LOSSY_CHUNK not in names


def _count_png_frames(image_bytes: bytes) -> int:
    """Return the frames that a PNG announces; 1 for a still."""
    start = 8
    for end in find_png_chunks(image_bytes):
        if image_bytes[start + 4 : start + 8] == b"acTL":
            return int.from_bytes(image_bytes[start + 8 : start + 12], "big")
        start = end
    return 1


def _iter_chunks(image_bytes: bytes) -> Iterator[_Chunk]:
    """Yield the chunks of a RIFF file."""
    at = _RIFF_HEADER_BYTES
    while at + _CHUNK_HEADER.size <= len(image_bytes):
        name, size = _CHUNK_HEADER.unpack_from(image_bytes, at)
        start = at + _CHUNK_HEADER.size
        yield _Chunk(name, start, start + size)
        at = start + size + size % 2
