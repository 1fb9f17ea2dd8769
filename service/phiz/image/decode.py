"""Decodes bytes to an upright RGB image. Limits are checked before any pixel is decoded.

Supported formats are JPEG, PNG, WebP, GIF (the first frame), BMP (without run lengths), TIFF (the
first page; LZW, deflate, PackBits or plain) and AVIF, if Pillow is built with it. No other
format is tried. Colours are those of Pillow's ``convert`` at full scale; colour profiles are not
applied. Transparent pixels are blended with white. Sixteen-bit grey is scaled to eight bits. The
Exif orientation is applied; damaged Exif data is ignored.
"""

from functools import partial

from phiz.errors import (
    EmptyImageError,
    ImageBytesError,
    UnsupportedImageError,
)
from phiz.faces import RgbImage
from phiz.image.foreign_formats import describe_foreign_format
from phiz.image.headers import ImageFormat, read_exif_orientation, read_jpeg_header, sniff_format
from phiz.image.jpeg import decode_jpeg, read_jpeg_size
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.limits import MAX_JPEG_SEGMENTS, DecodingLimits, check_jpeg, check_parts
from phiz.image.orientation import (
    UPRIGHT_EXIF,
    apply_orientation,
    compute_upright_origin,
    to_upright_size,
)
from phiz.image.pillow import SUPPORTED_FORMATS, decode_with_pillow
from phiz.image.pixels import unpack_rgb


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
        ImagePixelsError: The header declares more pixels than the limit.
        UnsupportedImageError: The bytes are not an image of a supported format.
        UndecodableImageError: The file is damaged, truncated or split into too many parts. For a
            JPEG, the first two may be raised later, when its pixels are decoded.
    """
    image_format = _identify_format(image_bytes, limits)
    if image_format == "JPEG":
        return _open_jpeg(image_bytes, limits.max_pixels)
    check_parts(image_format, image_bytes)
    return LazyImage.from_packed(decode_with_pillow(image_format, image_bytes, limits.max_pixels))


def _open_jpeg(image_bytes: bytes, max_pixels: int) -> LazyImage:
    header = read_jpeg_header(image_bytes, MAX_JPEG_SEGMENTS + 1)
    size_wh = read_jpeg_size(header)
    check_jpeg(header, size_wh, max_pixels)
    orientation = read_exif_orientation(header.exif) if header.exif else UPRIGHT_EXIF
    # Without metadata, because Pillow reads the Exif structure while opening and fails
    # where that is damaged.
    lean_bytes = header.lean_bytes
    if size_wh is None:
        full = decode_with_pillow("JPEG", lean_bytes, max_pixels)
        return LazyImage.from_packed(apply_orientation(full, orientation))
    return LazyImage(
        to_upright_size(size_wh, orientation),
        partial(_decode_scaled_jpeg, lean_bytes, size_wh, orientation, max_pixels),
    )


def _decode_scaled_jpeg(
    image_bytes: bytes, size_wh: tuple[int, int], orientation: int, max_pixels: int, factor: int
) -> ScaledImage:
    pixels = decode_jpeg(image_bytes, size_wh, factor)
    if pixels is None:  # Pillow tolerates more damage and reports the rest
        full = decode_with_pillow("JPEG", image_bytes, max_pixels)
        return ScaledImage(apply_orientation(full, orientation))
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
    if image_format not in SUPPORTED_FORMATS:
        foreign = describe_foreign_format(image_bytes)
        description = f"{foreign}, and" if foreign else "are not an image of a supported format;"
        raise UnsupportedImageError(
            f"the {len(image_bytes)} bytes {description} send one of {', '.join(SUPPORTED_FORMATS)}"
        )
    return image_format
