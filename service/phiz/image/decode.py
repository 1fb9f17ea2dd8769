"""Bytes to an upright RGB picture, within limits that are checked before a pixel is decoded.

JPEG, PNG, WebP, GIF (the first frame), BMP (without run lengths), TIFF (the first page; LZW,
deflate, PackBits or plain) and, where Pillow is built with it, AVIF are read, and nothing else
is tried. Colours come out as Pillow's ``convert`` gives them, at full scale; colour profiles
are not applied. What is transparent is laid over white. Sixteen-bit grey is scaled to eight
bits. The Exif orientation is applied and then gone; damaged Exif counts as none.
"""

from phiz.errors import (
    EmptyImageError,
    ImageBytesError,
    UnsupportedImageError,
)
from phiz.faces import Image
from phiz.image.headers import Format, exif_orientation, sniff, split_jpeg
from phiz.image.jpeg import decode_jpeg, jpeg_size
from phiz.image.lazy import Picture, Reduced
from phiz.image.limits import Limits, check_parts, check_scans, check_size
from phiz.image.orientation import turned, turned_origin, turned_size
from phiz.image.pillow import FORMATS, decode_any
from phiz.image.pixels import rgb


def decode(data: bytes, limits: Limits) -> Image:
    """Return an encoded picture as (H, W, 3) uint8 RGB, upright, at full scale.

    Raises:
        ImageError: As ``open_picture``.
    """
    return rgb(open_picture(data, limits).whole())


def open_picture(data: bytes, limits: Limits) -> Picture:
    """Return an encoded picture, upright. A JPEG's pixels are decoded when they are asked for.

    Raises:
        EmptyImageError: There are no bytes.
        ImageBytesError: There are more bytes than the limit.
        ImagePixelsError: The header announces more pixels than the limit.
        UnsupportedImageError: Not a picture, or of a kind that is not read here.
        UndecodableImageError: A picture by its header, but damaged, cut short or cut into too
            many parts; of a JPEG the first two may come later, with its pixels.
    """
    name = _format(data, limits)
    check_parts(name, data)
    if name == "JPEG":
        # Without metadata, because Pillow reads the Exif structure while opening and fails
        # where that is damaged.
        data, exif = split_jpeg(data)
        orientation = exif_orientation(exif) if exif else 1
        if size_wh := jpeg_size(data):
            check_size(size_wh, limits.max_pixels)
            check_scans(data, size_wh)
            return _open_jpeg(data, size_wh, orientation, limits)
        return Picture.of_raster(turned(decode_any(name, data, limits.max_pixels), orientation))
    return Picture.of_raster(decode_any(name, data, limits.max_pixels))


def _open_jpeg(data: bytes, size_wh: tuple[int, int], orientation: int, limits: Limits) -> Picture:
    def read(factor: int) -> Reduced:
        pixels = decode_jpeg(data, size_wh, factor)
        if pixels is None:  # Pillow forgives more, and knows what to say where it does not
            whole = decode_any("JPEG", data, limits.max_pixels)
            return Reduced(turned(whole, orientation))
        width, height = size_wh
        over = pixels.shape[1] * factor - width, pixels.shape[0] * factor - height
        return Reduced(turned(pixels, orientation), factor, turned_origin(over, orientation))

    return Picture(turned_size(size_wh, orientation), read)


def _format(data: bytes, limits: Limits) -> Format:
    """Return the format of a file that is neither empty nor too long."""
    if not data:
        raise EmptyImageError("the picture is empty: 0 bytes; send the file's content")
    if len(data) > limits.max_bytes:
        raise ImageBytesError(
            f"the picture has {len(data)} bytes; the limit is {limits.max_bytes} bytes; "
            "send a smaller file"
        )
    name = sniff(data)
    if name not in FORMATS:
        raise UnsupportedImageError(
            f"the {len(data)} bytes are not a picture of a format that is read here; "
            f"send one of {', '.join(FORMATS)}"
        )
    return name
