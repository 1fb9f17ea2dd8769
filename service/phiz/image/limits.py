"""Limits on images, checked against their headers before decoding.

A file of a few bytes can declare billions of pixels. Decoders also step through some parts of a
file one by one, so a file of many such parts can occupy a processor for seconds. Real files have
far fewer parts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from phiz.errors import ImagePixelsError, UndecodableImageError, UnsupportedImageError
from phiz.image.headers import (
    ImageFormat,
    find_gif_blocks,
    find_jpeg_segments,
    find_png_chunks,
    has_more_scans,
    read_first_directory,
)

# Name, maximum number and finder of a format's parts. The largest real metadata is a colour
# profile in 255 segments. A PNG also stores its pixels in chunks, of 8 KiB if libpng wrote it, so
# that this limit allows 128 MiB.
_PART_LIMITS: dict[ImageFormat, tuple[str, int, Callable[[bytes], Iterator[object]]]] = {
    "JPEG": ("segments before the pixels", 4096, find_jpeg_segments),
    "PNG": ("chunks", 16_384, find_png_chunks),
    "GIF": ("blocks before the pixels", 4096, find_gif_blocks),
}
# A progressive JPEG has about ten. Each is a pass over all pixels, however few its bytes.
_MAX_SCANS = 100
# Pixels of all scans together, about 1.3 s. The next limit allows so many scans at any size,
# for deployments with a higher limit of pixels.
_MAX_SCAN_PIXELS = 1_000_000_000
_SCANS_OF_ANY_SIZE = 16
_BMP_COMPRESSION_OFFSET = 30  # its place, except in a header of OS/2's first version
_BMP_SHORT_HEADER_BYTES = 12  # which has none
_BMP_RLE_COMPRESSIONS = (1, 2)  # of 8 and of 4 bits
# Enough for 50 megapixels in tiles of 32 x 32; each is a Python object in Pillow.
_MAX_TIFF_VALUES = 65_536
_TIFF_FIRST_METADATA_TAG = 700  # from this tag on none says where pixels are
_TIFF_ASCII_TYPE = 2
_TIFF_COMPRESSION_TAG = 259
# Plain, LZW, deflate (twice), PackBits. Not JPEG: each strip has its own scans, so that they
# tell nothing. Not fax: libtiff complains of its damage on standard error, line by line.
_TIFF_COMPRESSIONS = (1, 5, 8, 32_946, 32_773)
_TIFF_TILE_SIDE_TAGS = (322, 323)


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """The largest image that is decoded.

    Attributes:
        max_bytes: Bytes of the encoded image.
        max_pixels: Width times height.
    """

    max_bytes: int
    max_pixels: int


def check_size(size_wh: tuple[int, int], max_pixels: int) -> None:
    """Refuse an image with too many pixels.

    Raises:
        ImagePixelsError: There are more than the limit.
    """
    width, height = size_wh
    if width * height > max_pixels:
        raise ImagePixelsError(
            f"the image is {width} x {height}, {width * height} pixels; "
            f"the limit is {max_pixels} pixels; send a smaller image"
        )


def check_parts(image_format: ImageFormat, image_bytes: bytes) -> None:
    """Refuse a file with too many parts, if its format has parts that are read one by one.

    Raises:
        UndecodableImageError: There are more of them than the limit.
    """
    if image_format not in _PART_LIMITS:
        return
    parts, limit, find = _PART_LIMITS[image_format]
    if next(islice(find(image_bytes), limit, None), None) is not None:
        raise UndecodableImageError(
            f"the {image_format} exceeds the limit of {limit} {parts}; save it without metadata"
        )


def check_scans(image_bytes: bytes, size_wh: tuple[int, int]) -> None:
    """Refuse a JPEG without metadata if it has too many scans.

    Raises:
        UndecodableImageError: There are more than the limit for its size.
    """
    width, height = size_wh
    affordable = _MAX_SCAN_PIXELS // max(1, width * height)
    limit = min(_MAX_SCANS, max(_SCANS_OF_ANY_SIZE, affordable))
    if has_more_scans(image_bytes, limit):
        raise UndecodableImageError(
            f"the JPEG exceeds the limit of {limit} scans for {width} x {height} pixels; "
            "save it as a baseline JPEG"
        )


def check_bmp(image_bytes: bytes) -> None:
    """Refuse a BMP with run lengths, which Pillow decodes byte by byte in Python, for seconds.

    Raises:
        UnsupportedImageError: The BMP has run-length compression.
    """
    header = int.from_bytes(image_bytes[14:18], "little")
    compression = int.from_bytes(
        image_bytes[_BMP_COMPRESSION_OFFSET : _BMP_COMPRESSION_OFFSET + 4], "little"
    )
    if header != _BMP_SHORT_HEADER_BYTES and compression in _BMP_RLE_COMPRESSIONS:
        raise UnsupportedImageError(
            "the BMP has run-length compression, which is not supported; "
            "save it without compression, or as a PNG"
        )


def check_tiff(image_bytes: bytes, max_pixels: int) -> None:
    """Refuse a TIFF with larger or more tiles than an image needs.

    Raises:
        ImagePixelsError: A tile has more pixels than the limit.
        UndecodableImageError: A tag has more values than the limit.
        UnsupportedImageError: Its compression is not supported.
    """
    tags = read_first_directory(image_bytes)
    width, height = (
        max((tag.value for tag in tags if tag.number == side), default=0)
        for side in _TIFF_TILE_SIDE_TAGS
    )
    check_size((width, height), max_pixels)
    for tag in tags:
        structural = tag.number < _TIFF_FIRST_METADATA_TAG and tag.value_type != _TIFF_ASCII_TYPE
        if structural and tag.count > _MAX_TIFF_VALUES:
            raise UndecodableImageError(
                f"tag {tag.number} of the TIFF has {tag.count} values; "
                f"the limit is {_MAX_TIFF_VALUES}; save it in fewer, larger strips"
            )
        readable = tag.count == 1 and tag.value in _TIFF_COMPRESSIONS
        if tag.number == _TIFF_COMPRESSION_TAG and not readable:
            raise UnsupportedImageError(
                "the compression of the TIFF is not supported; "
                "save it with LZW, deflate or no compression"
            )
