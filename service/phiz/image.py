"""Bytes to an upright RGB picture, within limits that are checked before a pixel is decoded.

JPEG, PNG, WebP, GIF (the first frame), BMP, TIFF (the first page; LZW, deflate, PackBits or
plain) and, where Pillow is built with it, AVIF are read, and nothing else is tried. Colours
come out as Pillow's ``convert`` gives them, at full scale; colour profiles are not applied.
What is transparent is laid over white. Sixteen-bit grey is scaled to eight bits. The Exif
orientation is applied and then gone; damaged Exif counts as none.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import AvifImagePlugin
from PIL import Image as Pillow
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from phiz.errors import (
    EmptyImageError,
    ImageBytesError,
    ImageError,
    ImagePixelsError,
    UndecodableImageError,
    UnsupportedImageError,
)
from phiz.faces import Image
from phiz.headers import (
    Format,
    exif_orientation,
    first_directory,
    gif_size,
    has_more_scans,
    sniff,
    split_jpeg,
)
from phiz.jpeg import decode_jpeg, jpeg_size
from phiz.picture import Picture, Raster, Reduced, rgb, turned, turned_origin, turned_size, words

# Pillow warns of damaged metadata, which does not matter here. Filters belong to the whole
# process, so that changing them around each call is not safe between threads; set once, and
# for Pillow's own modules alone, they are.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Pillow's own `open` is passed over: it cannot tell a damaged picture from what is none, and
# it warns of sizes by a limit of its own.
_READERS: dict[Format, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
if AvifImagePlugin.SUPPORTED:
    _READERS["AVIF"] = AvifImagePlugin.AvifImageFile

_BAND_PIXELS = 1 << 17  # a band of this many stays in a processor's cache
# A progressive JPEG has about ten; each, however few its bytes, is a pass over all pixels.
_MAX_SCANS = 100
# Enough for 50 megapixels in tiles of 32 x 32; each is a Python object in Pillow.
_MAX_TIFF_VALUES = 65_536
_TIFF_METADATA = 700  # from this tag on none says where pixels are
_TIFF_ASCII = 2
_TIFF_COMPRESSION = 259
# Plain, LZW, deflate (twice), PackBits. Not JPEG: each strip has its own scans, so that they
# tell nothing. Not fax: libtiff complains of its damage on standard error, line by line.
_TIFF_COMPRESSIONS = (1, 5, 8, 32_946, 32_773)
_TIFF_TILE_SIDES = (322, 323)


@dataclass(frozen=True, slots=True)
class Limits:
    """The largest picture that is decoded.

    Attributes:
        max_bytes: Bytes of the encoded picture.
        max_pixels: Width times height.
    """

    max_bytes: int
    max_pixels: int


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
        UndecodableImageError: A picture by its header, but damaged or cut short; of a JPEG this
            may come later, with its pixels.
    """
    name = _format(data, limits)
    if name == "JPEG":
        # Without metadata, because Pillow reads the Exif structure while opening and fails
        # where that is damaged.
        data, exif = split_jpeg(data)
        _check_scans(data)
        orientation = exif_orientation(exif) if exif else 1
        if size_wh := jpeg_size(data):
            _check_size(size_wh, limits)
            return _open_jpeg(data, size_wh, orientation, limits)
        return Picture.of_raster(turned(_decode_any(name, data, limits), orientation))
    return Picture.of_raster(_decode_any(name, data, limits))


def _open_jpeg(data: bytes, size_wh: tuple[int, int], orientation: int, limits: Limits) -> Picture:
    def read(factor: int) -> Reduced:
        pixels = decode_jpeg(data, size_wh, factor)
        if pixels is None:  # Pillow forgives more, and knows what to say where it does not
            return Reduced(turned(_decode_any("JPEG", data, limits), orientation))
        width, height = size_wh
        over = pixels.shape[1] * factor - width, pixels.shape[0] * factor - height
        return Reduced(turned(pixels, orientation), factor, turned_origin(over, orientation))

    return Picture(turned_size(size_wh, orientation), read)


def _decode_any(name: Format, data: bytes, limits: Limits) -> Raster:
    """Return an encoded picture at full scale by Pillow; a JPEG's orientation is not applied."""
    try:
        with _open(name, data, limits) as picture:
            _check_size(picture.size, limits)
            picture.load()
            exif = picture.info.get("exif")
            # Pillow has already turned a TIFF, whose tags are not in `exif`, while loading it.
            return turned(_raster(_rgb(picture)), exif_orientation(exif) if exif else 1)
    except ImageError:
        raise
    except Pillow.DecompressionBombError:
        raise ImagePixelsError(
            f"the {name} announces more pixels than can be read; "
            f"the limit is {limits.max_pixels} pixels; send a smaller picture"
        ) from None
    # Pillow lets through whatever its parsers stumble over, from struct.error to MemoryError;
    # all of it means the same here. Its own messages may quote the file, hence no cause.
    except Exception:  # noqa: BLE001
        raise UndecodableImageError(
            f"the {name} of {len(data)} bytes is damaged, cut short or without pixels; "
            "send the complete file"
        ) from None


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
    if name not in _READERS:
        raise UnsupportedImageError(
            f"the {len(data)} bytes are not a picture of a format that is read here; "
            f"send one of {', '.join(_READERS)}"
        )
    return name


def _open(name: Format, data: bytes, limits: Limits) -> ImageFile:
    """Return a picture with its header read, after a look at what opening it would cost."""
    if name == "GIF":
        # Pillow fills a frame while opening.
        _check_size(gif_size(data), limits)
    elif name == "TIFF":
        _check_tiff(data, limits)
    return _READERS[name](io.BytesIO(data))


def _check_size(size_wh: tuple[int, int], limits: Limits) -> None:
    width, height = size_wh
    if width * height > limits.max_pixels:
        raise ImagePixelsError(
            f"the picture is {width} x {height}, {width * height} pixels; "
            f"the limit is {limits.max_pixels} pixels; send a smaller picture"
        )


def _check_scans(jpeg: bytes) -> None:
    if has_more_scans(jpeg, _MAX_SCANS):
        raise UndecodableImageError(
            f"the JPEG has more than {_MAX_SCANS} scans, the limit; save it as a baseline JPEG"
        )


def _check_tiff(tiff: bytes, limits: Limits) -> None:
    """Look at a TIFF's tags for larger tiles, or more of them, than a picture would need."""
    tags = first_directory(tiff)
    width, height = (
        max((tag.value for tag in tags if tag.number == side), default=0)
        for side in _TIFF_TILE_SIDES
    )
    _check_size((width, height), limits)
    for tag in tags:
        structural = tag.number < _TIFF_METADATA and tag.kind != _TIFF_ASCII
        if structural and tag.count > _MAX_TIFF_VALUES:
            raise UndecodableImageError(
                f"tag {tag.number} of the TIFF has {tag.count} values; "
                f"the limit is {_MAX_TIFF_VALUES}; save it in fewer, larger strips"
            )
        readable = tag.count == 1 and tag.value in _TIFF_COMPRESSIONS
        if tag.number == _TIFF_COMPRESSION and not readable:
            raise UnsupportedImageError(
                "the TIFF is compressed in a way that is not read here; "
                "save it with LZW, deflate or no compression"
            )


def _rgb(picture: Pillow.Image) -> Pillow.Image:
    """Return a loaded picture in mode RGB."""
    if picture.mode.startswith("I;16"):
        picture = _eight_bits(picture)
    if picture.mode in ("I", "F"):
        raise UnsupportedImageError(
            "the picture has 32 bits per channel, and nothing says what is white; "
            "save it with 8 or 16 bits"
        )
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        canvas = Pillow.new("RGB", picture.size, "white")
        canvas.paste(rgba, mask=rgba)
        return canvas
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _eight_bits(picture: Pillow.Image) -> Pillow.Image:
    """Return sixteen-bit grey as eight-bit grey, rounded to the nearest."""
    values = np.asarray(picture).astype(np.uint32)  # (H, W), 0 to 65535 = 255 * 257
    return Pillow.fromarray(((values + 128) // 257).astype(np.uint8))


def _raster(picture: Pillow.Image) -> Raster:
    """Return a picture of mode RGB as a raster.

    Pillow gives its bytes as a list of pieces. Band by band the pieces are used again, and a
    picture of 12 megapixels takes a quarter of the time.
    """
    width, height = picture.size
    rows = max(1, _BAND_PIXELS // width)
    padded = np.empty((height, width, 4), np.uint8)
    for top in range(0, height, rows):
        band = picture.crop((0, top, width, min(top + rows, height)))
        pixels = np.frombuffer(band.tobytes("raw", "RGBX"), np.uint8)
        padded[top : top + rows] = pixels.reshape(-1, width, 4)
    return words(padded)
