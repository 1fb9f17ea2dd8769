"""Varieties of image formats whose pixels are read right: one table, and the check against it.

Each row was compared pixel by pixel with a second decoder, by ``tests/image/test_varieties.py``.
All other varieties are refused by name, because decoders answer many of them with wrong pixels.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from phiz.errors import UnsupportedImageError
from phiz.image.formats import ImageFormat
from phiz.image.properties import Properties

Variety: TypeAlias = dict[str, tuple[str, ...]]
"""Values that are read, by property. Every combination of them is."""

_USUAL = ("",)
_TIFF: Final[Variety] = {
    "colours": (),
    "bits": (),
    "numbers": _USUAL,
    "extra": _USUAL,
    "bit order": _USUAL,
    "byte order": _USUAL,
    "compression": ("uncompressed", "LZW", "deflate", "PackBits"),
    "predictor": ("", "predictor"),
    "planes": _USUAL,
}
_ANY_BYTE_ORDER: Final = ("", "big-endian")  # matters above eight bits
_GREYS: Final = ("grey", "grey, white is zero")
_PLANES: Final = ("separate planes",)
_ONE_EXTRA: Final = ("alpha", "associated alpha", "unused channel")
_ONE_EXTRA_OF_RGB: Final = (*_ONE_EXTRA, "undeclared channel")  # which is alpha
_MORE_EXTRA_OF_RGB: Final = (
    "alpha, 1 unused",
    "alpha, 2 unused",
    "associated alpha, 1 unused",
    "associated alpha, 2 unused",
    "unused channel, 1 unused",
    "unused channel, 2 unused",
)
_BMP_HEADERS: Final = tuple(f"{count}-byte header" for count in (40, 56, 64, 108, 124))
_BMP_HEADERS_WITH_ALPHA: Final = _BMP_HEADERS[1:]

VARIETIES: Final[Mapping[ImageFormat, tuple[Variety, ...]]] = {
    "JPEG": (
        {
            "process": ("baseline", "extended sequential", "progressive"),
            "bits": ("8 bits",),
            "colours": ("grey", "colour", "CMYK", "Adobe CMYK", "Adobe YCCK"),
        },
    ),
    "PNG": (
        {
            "colours": ("grey",),
            "bits": ("1 bit", "2 bits", "4 bits", "8 bits", "16 bits"),
            "transparency": ("", "transparent colour"),
        },
        {"colours": ("RGB",), "bits": ("8 bits",), "transparency": ("", "transparent colour")},
        {"colours": ("RGB",), "bits": ("16 bits",), "transparency": _USUAL},
        {
            "colours": ("palette",),
            "bits": ("1 bit", "2 bits", "4 bits", "8 bits"),
            "transparency": ("", "transparent colour"),
        },
        {
            "colours": ("grey and alpha", "RGB and alpha"),
            "bits": ("8 bits", "16 bits"),
            "transparency": _USUAL,
        },
    ),
    "WebP": ({"coding": ("lossy", "lossless", "extended"), "frames": ("", "animation")},),
    "GIF": ({"version": ("GIF87a", "GIF89a")},),
    "BMP": (
        {
            "header": ("12-byte header", *_BMP_HEADERS),
            "bits": ("1 bit", "4 bits", "8 bits", "16 bits", "24 bits", "32 bits"),
            "coding": _USUAL,
        },
        {
            "header": _BMP_HEADERS,
            "bits": ("16 bits",),
            "coding": ("masks f800 7e0 1f", "masks 7c00 3e0 1f"),
        },
        {
            "header": _BMP_HEADERS,
            "bits": ("32 bits",),
            "coding": ("masks ff0000 ff00 ff", "masks ff000000 ff0000 ff00"),
        },
        {
            "header": _BMP_HEADERS_WITH_ALPHA,
            "bits": ("32 bits",),
            "coding": (
                "masks ff0000 ff00 ff ff000000",
                "masks ff ff00 ff0000 ff000000",
                "masks ff000000 ff0000 ff00 ff",
            ),
        },
    ),
    "TIFF": (
        _TIFF | {"colours": _GREYS, "bits": ("1 bit", "2 bits", "4 bits"), "predictor": _USUAL},
        _TIFF
        | {
            "colours": _GREYS,
            "bits": ("1 bit",),
            "bit order": ("reversed bits",),
            "compression": ("uncompressed",),
            "predictor": _USUAL,
        },
        _TIFF | {"colours": _GREYS, "bits": ("8 bits",)},
        _TIFF | {"colours": ("grey",), "bits": ("8 bits",), "extra": _ONE_EXTRA},
        _TIFF
        | {
            "colours": ("grey",),
            "bits": ("12 bits",),
            "compression": ("uncompressed", "LZW", "PackBits"),
            "predictor": _USUAL,
        },
        _TIFF | {"colours": ("grey",), "bits": ("16 bits",), "byte order": _ANY_BYTE_ORDER},
        _TIFF | {"colours": ("grey, white is zero",), "bits": ("16 bits",)},
        _TIFF
        | {"colours": ("palette",), "bits": ("1 bit", "2 bits", "4 bits"), "predictor": _USUAL},
        _TIFF | {"colours": ("palette",), "bits": ("8 bits",)},
        _TIFF
        | {
            "colours": ("RGB", "CMYK"),
            "bits": ("8 bits", "16 bits"),
            "byte order": _ANY_BYTE_ORDER,
        },
        _TIFF
        | {
            "colours": ("RGB",),
            "bits": ("8 bits", "16 bits"),
            "byte order": _ANY_BYTE_ORDER,
            "extra": _ONE_EXTRA_OF_RGB,
        },
        _TIFF | {"colours": ("RGB",), "bits": ("8 bits",), "extra": _MORE_EXTRA_OF_RGB},
        _TIFF
        | {
            "colours": ("CMYK",),
            "bits": ("8 bits",),
            "extra": ("unused channel", "unused channel, 1 unused"),
        },
        _TIFF | {"colours": ("RGB", "CMYK"), "bits": ("8 bits",), "planes": _PLANES},
        _TIFF | {"colours": ("RGB",), "bits": ("8 bits",), "extra": ("alpha",), "planes": _PLANES},
        _TIFF
        | {
            "colours": ("RGB", "CMYK"),
            "bits": ("16 bits",),
            "compression": ("LZW", "deflate", "PackBits"),
            "planes": _PLANES,
        },
    ),
    "HEIC": (
        {
            "bits": ("8 bits", "10 bits"),
            "chroma": ("4:2:0", "4:2:2", "4:4:4"),
            "alpha": _USUAL,
            "parts": ("", "grid"),
        },
        {"bits": ("8 bits",), "chroma": ("grey",), "alpha": _USUAL, "parts": ("", "grid")},
    ),
    "AVIF": (
        {
            "bits": ("8 bits", "10 bits"),
            "chroma": ("grey", "4:2:0", "4:2:2", "4:4:4"),
            "parts": _USUAL,
        },
    ),
}
"""Varieties that are read, by format."""

REMEDIES: Final[Mapping[ImageFormat, str]] = {
    "JPEG": "save it as a baseline or progressive JPEG with 8 bits",
    "PNG": "save it with 8 bits per channel",
    "WebP": "save it with another program",
    "GIF": "save it as a PNG",
    "BMP": "save it without compression and with 24 bits, or as a PNG",
    "TIFF": "save it with 8 bits per channel and LZW, deflate or no compression, or as a PNG",
    "HEIC": "save it with 8 bits and as a single picture, or as a JPEG",
    "AVIF": "save it as a single picture, or as a JPEG",
}


def check_variety(image_format: ImageFormat, properties: Properties) -> None:
    """Refuse a variety that is not in the table.

    Raises:
        UnsupportedImageError: It is not. The message names the variety.
    """
    if is_read(image_format, tuple(properties.items())):
        return
    name = ", ".join(filter(None, properties.values()))
    raise UnsupportedImageError(
        f"this variety of {image_format} is not supported: {name}; {REMEDIES[image_format]}"
    )


@lru_cache(maxsize=256)  # most images are of a few varieties
def is_read(image_format: ImageFormat, properties: tuple[tuple[str, str], ...]) -> bool:
    """Return whether a row of the table has all these properties, by name."""
    return any(is_in(properties, variety) for variety in VARIETIES[image_format])


def is_in(properties: Iterable[tuple[str, str]], variety: Variety) -> bool:
    """Return whether a row of the table has all these properties, by name."""
    return all(value in variety.get(name, ()) for name, value in properties)
