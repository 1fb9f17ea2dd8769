"""Formats of image files, by their first bytes.

A file of the HEIF family begins with a list of brands (ISO/IEC 14496-12, 4.3). Its first brand is
often a general one, so all of them are read.
"""

import re
from typing import Literal, TypeAlias

ImageFormat: TypeAlias = Literal["JPEG", "PNG", "WebP", "AVIF", "HEIC", "GIF", "BMP", "TIFF"]

_SIGNATURES: dict[ImageFormat, re.Pattern[bytes]] = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),  # the plus is BigTIFF's
}

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
# The last two are of HEIF files in general, whose pictures may have any coding.
_HEIC_BRANDS = frozenset(
    (*(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), b"mif1", b"msf1")
)
_MAX_BRANDS_BYTES = 1024


def sniff_format(image_bytes: bytes) -> ImageFormat | None:
    """Return the format by the signature of the file, or None if it is unknown."""
    for name, signature in _SIGNATURES.items():
        if signature.match(image_bytes):
            return name
    brands = read_brands(image_bytes)
    if _AVIF_BRANDS & brands:
        return "AVIF"
    return "HEIC" if _HEIC_BRANDS & brands else None


def read_brands(image_bytes: bytes) -> frozenset[bytes]:
    """Return the major and the compatible brands of a file; empty for other files."""
    if image_bytes[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(image_bytes[:4], "big"), _MAX_BRANDS_BYTES, len(image_bytes))
    places = (8, *range(16, end - 3, 4))  # between them is the version
    return frozenset(image_bytes[at : at + 4] for at in places)
