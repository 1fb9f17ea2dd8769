"""Copies a JPEG without encoding it anew: with its pixels, and without what may show them again.

Thumbnails, comments, XMP, maker notes and data behind the end are left out, as by
``phiz.editing.stored``. A file that has none of them is copied byte for byte.

Sources: ITU-T T.81 annex B, ITU-T T.871 section 10 (JFIF).
"""

import re
from collections.abc import Iterator
from typing import Final

from phiz.editing.exif import clean_exif
from phiz.editing.metadata import find_jpeg_profile, fits_mode
from phiz.image.jpeg_header import END_OF_IMAGE, find_jpeg_segments, read_jpeg_header
from phiz.image.limits import MAX_JPEG_SEGMENTS
from phiz.image.orientation import UPRIGHT_EXIF
from phiz.image.tiff import read_exif_orientation

_START_OF_IMAGE: Final = b"\xff\xd8"
_SCAN, _COM = 0xDA, 0xFE
_APP0, _APP1, _APP2, _APP14, _APP15 = 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD})  # DHT, DAC, DQT, DNL and DRI
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended and progressive
_MODES: Final = {1: "L", 3: "RGB", 4: "CMYK"}  # of Pillow, by the number of components
# Any marker but those without a length, which stand alone: TEM, RST, SOI.
_SEGMENT_START: Final = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")


def copy_jpeg(image_bytes: bytes) -> bytes | None:
    """Return a JPEG with the same pixels, without other images and text.

    Args:
        image_bytes: A file that has been decoded.

    Returns:
        None if the file has unusual parts, which may be anything.
    """
    pieces = [_START_OF_IMAGE, *_copy_segments(image_bytes)]
    return None if None in pieces else b"".join(filter(None, pieces))


def _copy_segments(image_bytes: bytes) -> Iterator[bytes | None]:
    """Yield what is kept of each segment, and then the scans; None for an unusual part."""
    header = read_jpeg_header(image_bytes, MAX_JPEG_SEGMENTS + 1)
    mode = _MODES.get(len(header.frames[0].factors), "") if len(header.frames) == 1 else ""
    has_profile = fits_mode(find_jpeg_profile(image_bytes), mode)
    orientation = read_exif_orientation(header.exif) if header.exif else UPRIGHT_EXIF
    exif = clean_exif(header.exif, orientation)
    for start, end in find_jpeg_segments(image_bytes):
        marker, content = image_bytes[start + 1], image_bytes[start + 4 : end]
        if marker == _SCAN:
            yield _copy_scans(image_bytes, start) if mode else None
            return
        if marker in _TABLES or marker in _FRAMES:
            yield image_bytes[start:end]
        elif marker == _APP0 and content.startswith(b"JFIF\0"):
            yield _build_segment(_APP0, content[:12].ljust(12, b"\0") + bytes(2))  # no thumbnail
        elif marker == _APP14 and content.startswith(b"Adobe"):
            yield _build_segment(_APP14, content[:12])
        elif marker == _APP2 and content.startswith(b"ICC_PROFILE\0") and has_profile:
            yield image_bytes[start:end]
        elif marker == _APP1 and content.startswith(b"Exif\0\0") and exif:
            yield _build_segment(_APP1, exif)
            exif = b""  # another one would be a second image's
        elif marker != _COM and not _APP0 <= marker <= _APP15:
            yield None
    yield None  # there are no scans


def _build_segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (2 + len(content)).to_bytes(2, "big") + content


def _copy_scans(image_bytes: bytes, start: int) -> bytes | None:
    """Return the scans and the tables between them, up to the end of the image."""
    at = start
    while found := _SEGMENT_START.search(image_bytes, at):
        marker = found[1][0]
        if marker == END_OF_IMAGE[1]:
            return image_bytes[start : found.start()] + END_OF_IMAGE
        if marker != _SCAN and marker not in _TABLES:
            return None
        at = found.end() + int.from_bytes(image_bytes[found.end() : found.end() + 2], "big")
    return None
