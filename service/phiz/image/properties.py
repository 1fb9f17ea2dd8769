"""Properties of an image file that decide how its pixels are read, in words.

Each function reads the header of one format, and returns the properties of ``VARIETIES`` by name.
An empty text stands for the usual case. A file that ends within its header has no properties; the
decoder reports it.

Sources: ITU-T T.81 table B.1, the PNG specification (third edition) section 11, TIFF 6.0,
Microsoft's BITMAPV5HEADER, RFC 9649 (WebP), AV1 codec ISO media file format binding 2.3.
"""

import struct
from collections.abc import Callable, Mapping
from typing import TypeAlias

from phiz.image import tiff
from phiz.image.formats import ImageFormat
from phiz.image.headers import find_png_chunks
from phiz.image.heif import GRID, HEVC, HeifHeader
from phiz.image.jpeg_header import JPEG_LS, JpegHeader
from phiz.image.tiff import TiffDirectory

Properties: TypeAlias = Mapping[str, str]
"""Value by name, both as the documentation prints them."""

_JPEG_PROCESSES = {
    0: "baseline",
    1: "extended sequential",
    2: "progressive",
    3: "lossless",
    9: "arithmetic coding",
    10: "progressive with arithmetic coding",
    11: "lossless with arithmetic coding",
    JPEG_LS: "JPEG-LS",
}
_JPEG_COLOURS = {1: "grey", 3: "colour"}
_ADOBE_COLOURS = {None: "CMYK", 0: "Adobe CMYK", 2: "Adobe YCCK"}
_PNG_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGB and alpha"}
_WEBP_CODINGS = {b"VP8 ": "lossy", b"VP8L": "lossless", b"VP8X": "extended"}
_WEBP_ANIMATION = 0x02
_BMP_CODINGS = {
    0: "",
    1: "run lengths of 8 bits",
    2: "run lengths of 4 bits",
    3: "masks",
    4: "JPEG",
    5: "PNG",
    6: "masks with alpha",
}
_BMP_SHORT_HEADER_BYTES = 12
_BMP_HEADER_BYTES_WITH_ALPHA = 56  # from this size on, the fourth mask is in the header
_AV1_CHROMA = {0: "4:4:4", 2: "4:2:2", 3: "4:2:0"}  # by subsampling in x (2) and y (1)
_HEVC_CHROMA = ("grey", "4:2:0", "4:2:2", "4:4:4")
_HEIF_PARTS = {"av01": "AV1 picture", "iovl": "overlay", "iden": "copy", "jpeg": "JPEG picture"}
_TIFF_COLOURS = {
    0: "grey, white is zero",
    1: "grey",
    2: "RGB",
    3: "palette",
    4: "transparency mask",
    5: "CMYK",
    6: "YCbCr",
    8: "CIELab",
    9: "ICCLab",
    10: "ITULab",
    32803: "colour filter array",
    32844: "LogL",
    32845: "LogLuv",
    34892: "linear raw",
}
_TIFF_CHANNELS = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3, 34892: 3}
_TIFF_EXTRA = {0: "unused channel", 1: "associated alpha", 2: "alpha"}
_TIFF_NUMBERS = {1: "", 2: "signed", 3: "floating-point"}
_TIFF_COMPRESSIONS = {
    1: "uncompressed",
    2: "CCITT run lengths",
    3: "CCITT group 3",
    4: "CCITT group 4",
    5: "LZW",
    6: "old JPEG",
    7: "JPEG",
    8: "deflate",
    32773: "PackBits",
    32946: "deflate",
    34712: "JPEG 2000",
    34925: "LZMA",
    50000: "Zstandard",
    50001: "WebP",
    50002: "JPEG XL",
}
_TIFF_PREDICTED = ("LZW", "deflate")  # the others ignore the tag
_TIFF_PREDICTORS = {1: "", 2: "predictor", 3: "floating-point predictor"}


def describe_jpeg(header: JpegHeader) -> Properties:
    """Return the properties of a JPEG."""
    if len(header.frames) != 1:
        return {"process": "hierarchical"} if header.frames else {}
    (frame,) = header.frames
    channels = len(frame.factors)
    if channels == 4:  # noqa: PLR2004  CMYK
        colours = _ADOBE_COLOURS.get(header.adobe_transform, "four channels")
    else:
        colours = _JPEG_COLOURS.get(channels, f"{channels} channels")
    process = _JPEG_PROCESSES.get(frame.process, "hierarchical")
    return {"process": process, "bits": _count_bits(frame.bits), "colours": colours}


def describe_png(image_bytes: bytes) -> Properties:
    """Return the properties of a PNG. Interlacing and animation make no difference."""
    if image_bytes[12:16] == b"CgBI":
        return {"coding": "Apple's CgBI"}
    if len(image_bytes) < 29 or image_bytes[12:16] != b"IHDR":  # noqa: PLR2004
        return {}
    transparency = ""
    for at in find_png_chunks(image_bytes):
        name = image_bytes[at + 4 : at + 8]
        if name == b"IDAT":
            break
        if name == b"tRNS":
            transparency = "transparent colour"
    colours = _PNG_COLOURS.get(image_bytes[25], f"colour type {image_bytes[25]}")
    return {"colours": colours, "bits": _count_bits(image_bytes[24]), "transparency": transparency}


def describe_gif(image_bytes: bytes) -> Properties:
    """Return the properties of a GIF."""
    return {"version": image_bytes[:6].decode("ascii")}


def describe_webp(image_bytes: bytes) -> Properties:
    """Return the properties of a WebP."""
    if len(image_bytes) < 21:  # noqa: PLR2004
        return {}
    coding = _WEBP_CODINGS.get(image_bytes[12:16], f"chunk {image_bytes[12:16]!r}")
    animated = coding == "extended" and image_bytes[20] & _WEBP_ANIMATION
    return {"coding": coding, "frames": "animation" if animated else ""}


def describe_bmp(image_bytes: bytes) -> Properties:
    """Return the properties of a BMP."""
    if len(image_bytes) < 34:  # noqa: PLR2004
        return {}
    (header_bytes,) = struct.unpack_from("<I", image_bytes, 14)
    if header_bytes == _BMP_SHORT_HEADER_BYTES:
        (bits,) = struct.unpack_from("<H", image_bytes, 24)
        coding = ""
    else:
        bits, compression = struct.unpack_from("<HI", image_bytes, 28)
        coding = _BMP_CODINGS.get(compression, f"compression {compression}")
    if coding == "masks":
        coding = f"masks {_read_masks(image_bytes, header_bytes)}"
    return {
        "header": f"{header_bytes}-byte header",
        "bits": _count_bits(bits),
        "coding": coding,
    }


def _read_masks(image_bytes: bytes, header_bytes: int) -> str:
    """Return the masks of red, green, blue and, if the header has it, alpha."""
    count = 4 if header_bytes >= _BMP_HEADER_BYTES_WITH_ALPHA else 3
    places = range(54, 54 + 4 * count, 4)
    masks = (int.from_bytes(image_bytes[at : at + 4], "little") for at in places)
    return " ".join(f"{mask:x}" for mask in masks).removesuffix(" 0")


def describe_avif(image_bytes: bytes) -> Properties:
    """Return the properties of an AVIF, of the first picture in it."""
    at = image_bytes.find(b"av1C")
    if at < 0 or len(image_bytes) < at + 8:
        return {}
    flags = image_bytes[at + 6]
    bits = (8, 8, 10, 12)[flags >> 5 & 3]
    chroma = "grey" if flags & 0x10 else _AV1_CHROMA.get(flags >> 2 & 3, "unknown chroma")
    header = image_bytes[:at]
    parts = "cropped" if b"clap" in header else "grid" if b"grid" in header else ""
    return {"bits": f"{bits} bits", "chroma": chroma, "parts": parts}


def describe_heic(header: HeifHeader) -> Properties:
    """Return the properties of a HEIC, of its primary picture."""
    item = header.items.get(header.primary)
    kind = item.kind if item is not None else "without a picture"
    configuration = header.find_configuration(header.primary)
    if kind not in {HEVC, GRID} or len(configuration) < 19:  # noqa: PLR2004
        return {"parts": _HEIF_PARTS.get(kind, f"of type {kind}")}
    bits = sorted({configuration[17] % 8 + 8, configuration[18] % 8 + 8})
    return {
        "bits": _count_bits(*bits),
        "chroma": _HEVC_CHROMA[configuration[16] & 3],
        "alpha": "premultiplied alpha" if header.has_premultiplied_alpha else "",
        "parts": "grid" if kind == GRID else "",
    }


def describe_tiff(image_bytes: bytes, page: TiffDirectory | None) -> Properties:
    """Return the properties of a TIFF, given its first full-size page if it has one."""
    if b"+" in image_bytes[2:4]:
        return {"structure": "BigTIFF"}
    if page is None:
        is_cut = next(tiff.iter_directories(image_bytes), None) is None
        return {} if is_cut else {"pages": "thumbnails alone, as in raw files of cameras"}
    return _describe_page(page) if page.tags else {}


def _describe_page(page: TiffDirectory) -> Properties:
    photometric = page.read_value(tiff.PHOTOMETRIC, -1)
    samples = page.read_value(tiff.SAMPLES, 1)
    bits = sorted(set(page.read_values(tiff.BITS))) or [1]
    compression = _name(_TIFF_COMPRESSIONS, page.read_value(tiff.COMPRESSION, 1), "compression")
    predictor = page.read_value(tiff.PREDICTOR, 1) if compression in _TIFF_PREDICTED else 1
    colours = _name(_TIFF_COLOURS, photometric, "photometric")
    if colours == "CMYK" and page.read_value(tiff.INK_SET, 1) != 1:
        colours = "other inks"
    if colours == "palette" and page.has_8_bit_colour_map():
        colours = "palette of 8-bit colours"
    numbers = sorted(set(page.read_values(tiff.SAMPLE_FORMAT))) or [1]
    planes = ""
    if samples > 1 and page.read_value(tiff.PLANES, 1) != 1:
        planes = "separate planes in tiles" if tiff.TILE_OFFSETS in page.tags else "separate planes"
    is_wide = max(bits) > 8  # noqa: PLR2004
    return {
        "colours": colours,
        "bits": _count_bits(*bits),
        "numbers": " and ".join(_name(_TIFF_NUMBERS, each, "sample format") for each in numbers),
        "extra": _describe_extra(page, samples - _TIFF_CHANNELS.get(photometric, samples)),
        "bit order": "reversed bits" if page.read_value(tiff.FILL_ORDER, 1) != 1 else "",
        "byte order": "big-endian" if is_wide and page.byte_order == ">" else "",
        "compression": compression,
        "predictor": _name(_TIFF_PREDICTORS, predictor, "predictor"),
        "planes": planes,
    }


def _describe_extra(page: TiffDirectory, count: int) -> str:
    """Return the kinds of the channels beside the colours."""
    kinds = page.read_values(tiff.EXTRA_SAMPLES)
    if count == 0:
        return ""
    if not kinds and count == 1:
        return "undeclared channel"
    if count != len(kinds) or any(kinds[1:]):
        return f"{count} extra channels"
    first = _name(_TIFF_EXTRA, kinds[0], "channel of kind")
    return first if count == 1 else f"{first}, {count - 1} unused"


def _count_bits(*bits: int) -> str:
    return "1 bit" if bits == (1,) else f"{' and '.join(map(str, bits))} bits"


def _name(names: Mapping[int, str], number: int, of: str) -> str:
    return names.get(number, f"{of} {number}")


DESCRIBE: Mapping[ImageFormat, Callable[[bytes], Properties]] = {
    "PNG": describe_png,
    "GIF": describe_gif,
    "WebP": describe_webp,
    "BMP": describe_bmp,
    "AVIF": describe_avif,
}
