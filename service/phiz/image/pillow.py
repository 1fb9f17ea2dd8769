"""Decodes images of all formats with Pillow, at full scale.

Colours are those of Pillow's ``convert``; colour profiles are not applied. Transparent pixels are
blended with white. Sixteen-bit grey is scaled to eight bits. The Exif orientation is applied;
damaged Exif data is ignored.
"""

import io
import warnings

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
    ImageError,
    ImagePixelsError,
    UndecodableImageError,
    UnsupportedImageError,
)
from phiz.image.headers import ImageFormat, read_exif_orientation, read_gif_size
from phiz.image.limits import check_bmp, check_scans, check_size, check_tiff
from phiz.image.orientation import apply_orientation
from phiz.image.pixels import PackedPixels, pack_rgbx

# Pillow warns about damaged metadata, which does not matter here. Filters belong to the whole
# process, so changing them around each call is unsafe between threads. These are set once, for
# the modules of Pillow only.
warnings.filterwarnings("ignore", module=r"PIL\.")

# Pillow's own `open` is not used: it does not distinguish damaged images from other files, and
# it has its own limit of pixels.
_DECODERS: dict[ImageFormat, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
if AvifImagePlugin.SUPPORTED:
    _DECODERS["AVIF"] = AvifImagePlugin.AvifImageFile

SUPPORTED_FORMATS = tuple(_DECODERS)
"""The supported formats."""

_BAND_PIXELS = 1 << 17  # a band of this many stays in a processor's cache


def decode_with_pillow(
    image_format: ImageFormat, image_bytes: bytes, max_pixels: int
) -> PackedPixels:
    """Return an encoded image (H, W), upright, from a file with checked parts.

    A JPEG comes without its metadata and is not turned.

    Raises:
        ImagePixelsError: The header declares more pixels than the limit.
        UnsupportedImageError: Its kind is not supported.
        UndecodableImageError: It is damaged or truncated.
    """
    try:
        with _open_image_file(image_format, image_bytes, max_pixels) as image:
            check_size(image.size, max_pixels)
            if image_format == "JPEG":
                check_scans(image_bytes, image.size)
            image.load()
            exif = image.info.get("exif")
            # Pillow turns a TIFF, whose tags are not in `exif`, while loading it.
            return apply_orientation(
                _pack_image(_convert_to_rgb(image)), read_exif_orientation(exif) if exif else 1
            )
    except ImageError:
        raise
    except Pillow.DecompressionBombError:
        raise ImagePixelsError(
            f"the header of the {image_format} declares too many pixels; "
            f"the limit is {max_pixels} pixels; send a smaller image"
        ) from None
    # The parsers of Pillow raise anything from struct.error to MemoryError for a damaged file.
    # Their messages may quote the file, so there is no cause.
    except Exception:  # noqa: BLE001
        raise UndecodableImageError(
            f"the {image_format} of {len(image_bytes)} bytes is damaged, truncated or without "
            "pixels; send the complete file"
        ) from None


def _open_image_file(image_format: ImageFormat, image_bytes: bytes, max_pixels: int) -> ImageFile:
    """Return an opened image, after a check of what opening costs."""
    if image_format == "GIF":
        # Pillow fills a frame while opening.
        check_size(read_gif_size(image_bytes), max_pixels)
    elif image_format == "TIFF":
        check_tiff(image_bytes, max_pixels)
    elif image_format == "BMP":
        check_bmp(image_bytes)
    return _DECODERS[image_format](io.BytesIO(image_bytes))


def _convert_to_rgb(image: Pillow.Image) -> Pillow.Image:
    """Return a loaded image in mode RGB."""
    if image.mode.startswith("I;16"):
        image = _convert_to_8_bits(image)
    if image.mode in ("I", "F"):
        raise UnsupportedImageError(
            "the image has 32 bits per channel without a defined white; save it with 8 or 16 bits"
        )
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        canvas = Pillow.new("RGB", image.size, "white")
        canvas.paste(rgba, mask=rgba)
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")


def _convert_to_8_bits(image: Pillow.Image) -> Pillow.Image:
    """Return sixteen-bit grey as eight-bit grey, rounded to nearest, with alpha if needed.

    The transparent grey of a PNG has sixteen bits too; eight bits cannot tell it from 256 others.
    """
    values = np.asarray(image).astype(np.uint32)  # (H, W), 0 to 65535 = 255 * 257
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = image.info.get("transparency")
    if transparent is None:
        return Pillow.fromarray(grey)
    alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    return Pillow.fromarray(np.stack([grey, alpha], axis=-1))  # (H, W, 2)


def _pack_image(image: Pillow.Image) -> PackedPixels:
    """Return an image of mode RGB as packed pixels.

    Pillow returns its bytes as a list of pieces. Working in bands reuses their memory, and takes
    a quarter of the time for 12 megapixels.
    """
    width, height = image.size
    rows = max(1, _BAND_PIXELS // width)
    padded = np.empty((height, width, 4), np.uint8)
    for top in range(0, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        pixels = np.frombuffer(band.tobytes("raw", "RGBX"), np.uint8)
        padded[top : top + rows] = pixels.reshape(-1, width, 4)
    return pack_rgbx(padded)
