"""Limits on images, checked against their headers before decoding.

A file of a few bytes can declare billions of pixels. Decoders also step through some parts of a
file one by one, so a file of many such parts can occupy a processor for seconds. Real files have
far fewer parts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

from phiz.errors import ImagePixelsError, UndecodableImageError
from phiz.image import tiff
from phiz.image.formats import ImageFormat
from phiz.image.headers import find_gif_blocks, find_png_chunks
from phiz.image.heif import HeifHeader
from phiz.image.jpeg_header import JpegHeader, has_more_scans
from phiz.image.lazy import SCALE_FACTORS
from phiz.image.tiff import TiffDirectory

# The largest real metadata is a colour profile in 255 segments. A PNG also stores its pixels in
# chunks, of 8 KiB if libpng wrote it, so that its limit allows 128 MiB.
MAX_JPEG_SEGMENTS = 4096
_PART_LIMITS: dict[ImageFormat, tuple[str, int, Callable[[bytes], Iterator[object]]]] = {
    "PNG": ("chunks", 16_384, find_png_chunks),
    "GIF": ("blocks before the pixels", 4096, find_gif_blocks),
}
"""Name, maximum number and finder of a format's parts."""
# A progressive JPEG has about ten. Each is a pass over all pixels, however few its bytes.
_MAX_SCANS = 100
# Pixels of all scans together, about 1.3 s. The next limit allows so many scans at any size.
_MAX_SCAN_PIXELS = 1_000_000_000
_SCANS_OF_ANY_SIZE = 16
# Memory that a worker has for each pixel of the limit, and what decoding one at the wanted scale
# takes of it at most, a CMYK.
_BYTES_PER_PIXEL = 16
_DECODED_BYTES_PER_PIXEL = 8
# Enough for 50 megapixels in tiles of 32 x 32; each is a Python object in Pillow.
_MAX_TIFF_VALUES = 65_536
_TIFF_PART_TAGS = (tiff.STRIP_OFFSETS, tiff.STRIP_BYTES, tiff.TILE_OFFSETS, tiff.TILE_BYTES)


@dataclass(frozen=True, slots=True)
class DecodingLimits:
    """The largest image that is decoded.

    Attributes:
        max_bytes: Bytes of the encoded image.
        max_pixels: Width times height at the scale at which the image is decoded.
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


def find_finest_factor(size_wh: tuple[int, int], coefficient_bytes: int, max_pixels: int) -> int:
    """Return the factor of the largest scale of a JPEG within the limits.

    Args:
        size_wh: Width and height at full scale.
        coefficient_bytes: Memory that the decoder needs beside the pixels.
        max_pixels: At the scale of the result.

    Raises:
        ImagePixelsError: The smallest scale exceeds a limit.
    """
    for factor in reversed(SCALE_FACTORS):
        pixels = count_scaled_pixels(size_wh, factor)
        needed_bytes = coefficient_bytes + _DECODED_BYTES_PER_PIXEL * pixels
        if pixels <= max_pixels and needed_bytes <= _BYTES_PER_PIXEL * max_pixels:
            return factor
    width, height = size_wh
    if pixels > max_pixels:
        check_scaled_size(size_wh, SCALE_FACTORS[0], max_pixels)
    raise ImagePixelsError(
        f"the image is {width} x {height}, and its scans need {needed_bytes} bytes of memory; "
        f"the limit is {_BYTES_PER_PIXEL * max_pixels} bytes; save it as a baseline JPEG"
    )


def check_scaled_size(size_wh: tuple[int, int], factor: int, max_pixels: int) -> None:
    """Refuse to decode a JPEG at a scale with too many pixels.

    Raises:
        ImagePixelsError: There are more than the limit.
    """
    if count_scaled_pixels(size_wh, factor) <= max_pixels:
        return
    width, height = size_wh
    scale, remedy = "", "send a smaller image"
    if factor > 1:
        scale = f" at a scale of 1/{factor}"
    if factor < SCALE_FACTORS[0]:
        remedy += ", or choose a model that reads large JPEGs at a smaller scale: auto or back"
    raise ImagePixelsError(
        f"the image is {width} x {height}, {width * height} pixels; "
        f"the limit is {max_pixels} pixels{scale}; {remedy}"
    )


def count_scaled_pixels(size_wh: tuple[int, int], factor: int) -> int:
    """Return the pixels of a JPEG that is decoded at a scale."""
    width, height = (-(-side // factor) for side in size_wh)
    return width * height


def check_parts(image_format: ImageFormat, image_bytes: bytes) -> None:
    """Refuse a file with too many parts, if its format has parts that are read one by one.

    Raises:
        UndecodableImageError: There are more of them than the limit.
    """
    if image_format not in _PART_LIMITS:
        return
    parts, limit, find = _PART_LIMITS[image_format]
    if next(islice(find(image_bytes), limit, None), None) is not None:
        raise _build_parts_error(image_format, limit, parts)


def _build_parts_error(image_format: ImageFormat, limit: int, parts: str) -> UndecodableImageError:
    return UndecodableImageError(
        f"the {image_format} exceeds the limit of {limit} {parts}; save it without metadata"
    )


def check_jpeg(header: JpegHeader) -> None:
    """Check the segments, pixels and scans of a JPEG against the limits of time.

    Args:
        header: With up to one segment more than ``MAX_JPEG_SEGMENTS``.

    Raises:
        ImagePixelsError: There are more pixels than can be read in time at any scale.
        UndecodableImageError: There are more segments or scans than the limit.
    """
    if header.segment_count > MAX_JPEG_SEGMENTS:
        raise _build_parts_error("JPEG", MAX_JPEG_SEGMENTS, "segments before the pixels")
    for frame in header.frames:
        check_size(frame.size_wh, _MAX_SCAN_PIXELS)
        if not header.has_one_scan:
            check_scans(header.lean_bytes, frame.size_wh)


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


def check_heif(header: HeifHeader, max_pixels: int) -> None:
    """Refuse a HEIF file with a picture, a tile or a grid of more pixels than the limit.

    Raises:
        ImagePixelsError: There is one, whether or not it is shown.
    """
    for size_wh in header.list_sizes():
        check_size(size_wh, max_pixels)


def check_tiff(page: TiffDirectory, max_pixels: int) -> None:
    """Refuse a page of a TIFF with larger or more parts than an image needs.

    Raises:
        ImagePixelsError: A tile has more pixels than the limit.
        UndecodableImageError: There are more strips or tiles than the limit.
    """
    tile_wh = page.read_value(tiff.TILE_WIDTH, 0), page.read_value(tiff.TILE_HEIGHT, 0)
    check_size(tile_wh, max_pixels)
    counts = [page.tags[number].count for number in _TIFF_PART_TAGS if number in page.tags]
    if max(counts, default=0) > _MAX_TIFF_VALUES:
        raise UndecodableImageError(
            f"the TIFF has {max(counts)} strips or tiles; "
            f"the limit is {_MAX_TIFF_VALUES}; save it in fewer, larger ones"
        )
