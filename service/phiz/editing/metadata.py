"""The colours that an edited image keeps: its colour profile, and the chunks of a PNG.

A file may hold its image twice: as a thumbnail, as a preview in the notes of a camera's maker, in
XMP, or behind its end. Therefore nothing is kept but this and Exif (``phiz.editing.exif``).

Source: ICC.1:2022 section 7.2 and annex B.
"""

import io
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from phiz.image.formats import ImageFormat
from phiz.image.headers import find_png_chunks
from phiz.image.heif import read_heif_header
from phiz.image.jpeg_header import find_jpeg_segments
from phiz.image.pillow import DECODERS, translate_errors
from phiz.image.tiff import find_full_page, read_colour_profile

_ICC_SEGMENT: Final = re.compile(rb"\xff\xe2..ICC_PROFILE\0(.)(.)", re.DOTALL)
_COLOUR_SPACE: Final = slice(16, 20)  # of a profile
_MIN_PROFILE_BYTES: Final = 128  # its header
# Chunks of a PNG that say what its colours mean.
COLOUR_CHUNKS: Final = (b"cICP", b"cHRM", b"gAMA", b"sRGB")


def find_jpeg_profile(image_bytes: bytes) -> bytes | None:
    """Return the colour profile of a JPEG, or None if there is none that is complete."""
    parts: dict[int, bytes] = {}
    total = 0
    for start, end in find_jpeg_segments(image_bytes):
        if found := _ICC_SEGMENT.match(image_bytes, start, end):
            number, total = found[1][0], found[2][0]
            parts.setdefault(number, image_bytes[found.end() : end])
    if not total or sorted(parts) != list(range(1, total + 1)):
        return None
    return b"".join(parts[number] for number in sorted(parts))


def fits_mode(profile: bytes | None, mode: str) -> bool:
    """Return whether a colour profile describes the channels of a mode of Pillow."""
    if profile is None or len(profile) < _MIN_PROFILE_BYTES:
        return False
    space = b"GRAY" if mode in {"L", "LA", "I;16"} else b"CMYK" if mode == "CMYK" else b"RGB "
    return profile[_COLOUR_SPACE] == space


def find_colour_chunks(image_bytes: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield name and content of the chunks of a PNG that say what its colours mean."""
    start = 8
    for end in find_png_chunks(image_bytes):
        name = image_bytes[start + 4 : start + 8]
        if name in COLOUR_CHUNKS:
            yield name, image_bytes[start + 8 : end - 4]
        start = end


def read_profile(
    image_format: ImageFormat, image_bytes: bytes, info: Mapping[Any, Any] | None = None
) -> bytes | None:
    """Return the colour profile of an image, or None.

    Args:
        image_format: Its format.
        image_bytes: The file.
        info: The metadata that Pillow has read; None to read them.
    """
    if image_format == "JPEG":
        return find_jpeg_profile(image_bytes)
    if image_format == "TIFF":
        page = find_full_page(image_bytes)
        return read_colour_profile(page) if page else None
    if image_format == "HEIC":
        header = read_heif_header(image_bytes)
        return header.find_profile(header.primary) if header else None
    decoder = DECODERS.get(image_format)
    if info is None and decoder is not None:
        with (
            translate_errors(image_format, len(image_bytes), 1),
            decoder(io.BytesIO(image_bytes)) as image,
        ):
            info = image.info
    if info is None:
        return None
    profile = info.get("icc_profile")
    return profile if isinstance(profile, bytes) and profile else None
