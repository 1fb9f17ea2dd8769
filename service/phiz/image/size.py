"""Reads the size of an encoded image from its header, in microseconds.

The service forecasts the time of an image by it. It is not a check: the decoder reads the header
again, with all limits. A function stops after a few parts of the file, however long it is.

Sources: ITU-T T.81 annex B, the PNG specification (third edition) section 11.2.1, RFC 9649 (WebP),
the GIF89a specification, Microsoft's BITMAPINFOHEADER, TIFF 6.0, ISO/IEC 23008-12 section 6.5.3.
"""

import struct
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Final

from phiz.image import tiff
from phiz.image.formats import ImageFormat
from phiz.image.headers import find_gif_blocks, read_gif_size
from phiz.image.jpeg_header import find_frame_size

SizeReader = Callable[[bytes], tuple[int, int] | None]

_MAX_GIF_BLOCKS: Final = 64  # before the first frame; a comment of 16 KB
_HEIF_HEAD_BYTES: Final = 1 << 16
_HEIF_SIZE_PROPERTY: Final = b"ispe"
_BMP_SHORT_HEADER: Final = 12  # its bytes
_WEBP_SIDE_BITS: Final = 14
_WEBP_SIDE_MASK: Final = (1 << _WEBP_SIDE_BITS) - 1


def read_size(image_format: ImageFormat, image_bytes: bytes) -> tuple[int, int] | None:
    """Return width and height as stored, or None if the header is unclear."""
    try:
        return _READERS[image_format](image_bytes)
    except (struct.error, IndexError):  # truncated
        return None


def _read_png_size(image_bytes: bytes) -> tuple[int, int] | None:
    if image_bytes[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", image_bytes, 16)
    return width, height


def _read_webp_size(image_bytes: bytes) -> tuple[int, int] | None:
    coding = image_bytes[12:16]
    if coding == b"VP8L":
        (sides,) = struct.unpack_from("<I", image_bytes, 21)
        return (sides & _WEBP_SIDE_MASK) + 1, (sides >> _WEBP_SIDE_BITS & _WEBP_SIDE_MASK) + 1
    if coding == b"VP8 ":
        width, height = struct.unpack_from("<HH", image_bytes, 26)
        return width & _WEBP_SIDE_MASK, height & _WEBP_SIDE_MASK
    if coding == b"VP8X" and len(image_bytes) >= 30:  # noqa: PLR2004  the whole header
        width, height = (int.from_bytes(image_bytes[at : at + 3], "little") for at in (24, 27))
        return width + 1, height + 1
    return None


def _read_gif_size(image_bytes: bytes) -> tuple[int, int] | None:
    if next(islice(find_gif_blocks(image_bytes), _MAX_GIF_BLOCKS, None), None) is not None:
        return None
    return read_gif_size(image_bytes)


def _read_bmp_size(image_bytes: bytes) -> tuple[int, int] | None:
    (header_bytes,) = struct.unpack_from("<I", image_bytes, 14)
    layout = "<HH" if header_bytes == _BMP_SHORT_HEADER else "<ii"
    width, height = struct.unpack_from(layout, image_bytes, 18)
    return abs(width), abs(height)  # a negative height is of rows from top to bottom


def _read_tiff_size(image_bytes: bytes) -> tuple[int, int] | None:
    page = next(tiff.iter_directories(image_bytes), None)
    # Of a file that begins with a thumbnail, another page is decoded.
    if page is None or page.read_value(tiff.NEW_SUBFILE_TYPE, 0) or tiff.SUBFILE_TYPE in page.tags:
        return None
    size_wh = page.read_value(tiff.IMAGE_WIDTH, 0), page.read_value(tiff.IMAGE_HEIGHT, 0)
    return size_wh if all(size_wh) else None


def _read_heif_size(image_bytes: bytes) -> tuple[int, int] | None:
    """Return the largest size: that of the whole image beside those of tiles and thumbnails."""
    sizes = []
    at = image_bytes.find(_HEIF_SIZE_PROPERTY, 0, _HEIF_HEAD_BYTES)
    while at >= 0:
        sizes.append(struct.unpack_from(">II", image_bytes, at + 8))
        at = image_bytes.find(_HEIF_SIZE_PROPERTY, at + 16, _HEIF_HEAD_BYTES)
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return (width, height) if sizes else None


_READERS: Final[Mapping[ImageFormat, SizeReader]] = {
    "JPEG": find_frame_size,
    "PNG": _read_png_size,
    "WebP": _read_webp_size,
    "GIF": _read_gif_size,
    "BMP": _read_bmp_size,
    "TIFF": _read_tiff_size,
    "AVIF": _read_heif_size,
    "HEIC": _read_heif_size,
}
