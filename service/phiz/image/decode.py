"""Decodes bytes to an upright RGB image. Limits are checked before any pixel is decoded.

``VARIETIES`` lists the varieties of each format that are read; all others are refused by name. Of
several frames or pages the first one is read, except thumbnails. Colours are those of Pillow's
``convert`` at full scale; colour profiles are not applied. Transparent pixels are blended with
white. Sixteen-bit grey is scaled to eight bits. The Exif orientation is applied; damaged Exif data
is ignored.
"""

from typing import Final

from phiz.errors import (
    EmptyImageError,
    ImageBytesError,
    UnsupportedImageError,
)
from phiz.faces import RgbImage
from phiz.image import tiff
from phiz.image.foreign_formats import describe_foreign_format
from phiz.image.formats import ImageFormat, sniff_format
from phiz.image.heic import decode_heic, has_heif
from phiz.image.heif import has_plain_grids, read_heif_header
from phiz.image.jpeg import decode_jpeg
from phiz.image.jpeg_header import read_jpeg_header
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.limits import (
    MAX_JPEG_SEGMENTS,
    DecodingLimits,
    check_heif,
    check_jpeg,
    check_parts,
    check_scaled_size,
    check_tiff,
    find_finest_factor,
)
from phiz.image.orientation import (
    UPRIGHT_EXIF,
    apply_orientation,
    compute_upright_origin,
    to_upright_size,
)
from phiz.image.pillow import (
    PILLOW_FORMATS,
    build_damage_error,
    decode_jpeg_with_pillow,
    decode_with_pillow,
)
from phiz.image.pixels import PackedPixels, unpack_rgb
from phiz.image.properties import DESCRIBE, describe_heic, describe_jpeg, describe_tiff
from phiz.image.varieties import check_variety

SUPPORTED_FORMATS: Final[tuple[ImageFormat, ...]] = (
    *PILLOW_FORMATS,
    *(("HEIC",) if has_heif() else ()),
)
"""The supported formats."""


def decode_image(image_bytes: bytes, limits: DecodingLimits) -> RgbImage:
    """Return an encoded image as (H, W, 3) uint8 RGB, upright, at full scale.

    Raises:
        ImageError: As ``open_image``.
    """
    return unpack_rgb(open_image(image_bytes, limits).decode_full())


def open_image(image_bytes: bytes, limits: DecodingLimits) -> LazyImage:
    """Return an encoded image, upright. The pixels of a JPEG are decoded on first use.

    Raises:
        EmptyImageError: There are no bytes.
        ImageBytesError: There are more bytes than the limit.
        ImagePixelsError: The header declares more pixels than the limit. For a JPEG, this may be
            raised later, when it is decoded at a scale with more pixels.
        UnsupportedImageError: The bytes are not an image of a supported format and variety.
        UndecodableImageError: The file is damaged, truncated or split into too many parts. For a
            JPEG, the first two may be raised later, when its pixels are decoded.
    """
    image_format = _identify_format(image_bytes, limits)
    if image_format == "JPEG":
        return _open_jpeg(image_bytes, limits.max_pixels)
    check_parts(image_format, image_bytes)
    if image_format == "TIFF":
        return _open_tiff(image_bytes, limits.max_pixels)
    if image_format == "HEIC":
        return _open_heic(image_bytes, limits.max_pixels)
    check_variety(image_format, DESCRIBE[image_format](image_bytes))
    return LazyImage.from_packed(decode_with_pillow(image_format, image_bytes, limits.max_pixels))


def _open_tiff(image_bytes: bytes, max_pixels: int) -> LazyImage:
    page = tiff.find_full_page(image_bytes)
    check_variety("TIFF", describe_tiff(image_bytes, page))
    if page is None:
        raise build_damage_error("TIFF", len(image_bytes))
    check_tiff(page, max_pixels)
    return LazyImage.from_packed(
        decode_with_pillow("TIFF", tiff.extract_page(page), max_pixels, tiff.read_grey_range(page))
    )


def _open_heic(image_bytes: bytes, max_pixels: int) -> LazyImage:
    header = read_heif_header(image_bytes)
    if header is None:
        raise build_damage_error("HEIC", len(image_bytes))
    check_variety("HEIC", describe_heic(header))
    check_heif(header, max_pixels)
    if header.read_size(header.primary) is None or not has_plain_grids(image_bytes, header):
        raise build_damage_error("HEIC", len(image_bytes))
    return LazyImage.from_packed(decode_heic(image_bytes, max_pixels))


def _open_jpeg(image_bytes: bytes, max_pixels: int) -> LazyImage:
    header = read_jpeg_header(image_bytes, MAX_JPEG_SEGMENTS + 1)
    check_variety("JPEG", describe_jpeg(header))
    check_jpeg(header)
    if not header.frames or 0 in header.frames[0].size_wh:
        raise build_damage_error("JPEG", len(image_bytes))
    (frame,) = header.frames
    coefficient_bytes = 0 if header.has_one_scan else frame.count_coefficient_bytes()
    finest_factor = find_finest_factor(frame.size_wh, coefficient_bytes, max_pixels)
    orientation = tiff.read_exif_orientation(header.exif) if header.exif else UPRIGHT_EXIF

    def decode_scaled(factor: int) -> ScaledImage:
        check_scaled_size(frame.size_wh, factor, max_pixels)
        pixels = decode_jpeg(header.lean_bytes, frame.size_wh, factor, len(frame.factors))
        if pixels is None and finest_factor > 1:  # a second decoder takes ever longer
            raise build_damage_error("JPEG", len(image_bytes))
        if pixels is None:  # Pillow tolerates more damage and reports the rest
            # Without metadata, because Pillow reads the Exif structure while opening and fails
            # where that is damaged.
            pixels = decode_jpeg_with_pillow(
                header.lean_bytes, frame.size_wh, factor, len(image_bytes)
            )
        return _orient_scaled(pixels, frame.size_wh, factor, orientation)

    return LazyImage(to_upright_size(frame.size_wh, orientation), decode_scaled, finest_factor)


def _orient_scaled(
    pixels: PackedPixels, size_wh: tuple[int, int], factor: int, orientation: int
) -> ScaledImage:
    """Return an image upright, from the blocks as they are stored."""
    if orientation == UPRIGHT_EXIF:
        return ScaledImage(pixels, factor)
    width, height = size_wh
    overhang_xy = pixels.shape[1] * factor - width, pixels.shape[0] * factor - height
    return ScaledImage(
        apply_orientation(pixels, orientation),
        factor,
        compute_upright_origin(overhang_xy, orientation),
    )


def _identify_format(image_bytes: bytes, limits: DecodingLimits) -> ImageFormat:
    """Return the format of a file, after a check of its length."""
    if not image_bytes:
        raise EmptyImageError("the image is empty (0 bytes); send the content of the file")
    if len(image_bytes) > limits.max_bytes:
        raise ImageBytesError(
            f"the image has {len(image_bytes)} bytes; the limit is {limits.max_bytes} bytes; "
            "send a smaller file"
        )
    image_format = sniff_format(image_bytes)
    if image_format in SUPPORTED_FORMATS:
        return image_format
    foreign = describe_foreign_format(image_bytes)
    description = f"{foreign}, and" if foreign else "are not an image of a supported format;"
    raise UnsupportedImageError(
        f"the {len(image_bytes)} bytes {description} send one of {', '.join(SUPPORTED_FORMATS)}"
    )
