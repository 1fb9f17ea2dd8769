"""Decodes images of all formats with Pillow.

Colours are those of Pillow's ``convert``; colour profiles are not applied. Transparent pixels are
blended with white. Grey of more than eight bits is scaled to eight. The Exif orientation is
applied; damaged Exif data is ignored.
"""

import ctypes
import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, _imaging
from PIL import Image as Pillow
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from phiz.cancellation import checkpoint
from phiz.errors import ImageError, ImagePixelsError, UndecodableImageError
from phiz.image.formats import ImageFormat
from phiz.image.headers import read_gif_size
from phiz.image.limits import check_size
from phiz.image.orientation import UPRIGHT_EXIF, apply_orientation
from phiz.image.pixels import PackedPixels, pack_rgbx
from phiz.image.tiff import read_exif_orientation
from phiz.system.malloc import can_allocate


def _silence_libtiff() -> None:
    """Stop libtiff from writing about damaged files to standard error, past the log.

    Pillow has no setting for this, but the library's own functions are found through Pillow's.
    """
    library = ctypes.CDLL(_imaging.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        if set_handler := getattr(library, name, None):
            set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            set_handler(None)


# Pillow warns and logs about damaged metadata, which does not matter here. Filters belong to the
# whole process, so changing them around each call is unsafe between threads. These are set once,
# for the modules of Pillow only.
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)
_silence_libtiff()

# Pillow's own `open` is not used: it does not distinguish damaged images from other files, and
# it has its own limit of pixels.
DECODERS: dict[ImageFormat, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WebP": WebPImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "TIFF": TiffImageFile,
}
if AvifImagePlugin.SUPPORTED:
    DECODERS["AVIF"] = AvifImagePlugin.AvifImageFile

PILLOW_FORMATS = tuple(DECODERS)
"""The formats that Pillow decodes."""

_DECODER_BYTES = 4  # a pixel, at least
_PART_PIXELS = 1 << 16  # a part of this many stays in a processor's cache
_PNG_DEPTH_OFFSET = 24
_WHITE = 65_535

_Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom, half-open."""
_Conversion: TypeAlias = Callable[[Pillow.Image], Pillow.Image]
"""Returns an image in mode RGB."""


def decode_with_pillow(
    image_format: ImageFormat,
    image_bytes: bytes,
    max_pixels: int,
    grey_range: tuple[int, int] = (0, _WHITE),
) -> PackedPixels:
    """Return an encoded image (H, W), upright, from a file of a known variety.

    Args:
        image_format: Any but JPEG.
        image_bytes: The file, with checked parts.
        max_pixels: Width times height.
        grey_range: Black and white of grey with more than eight bits.

    Raises:
        ImagePixelsError: The header declares more pixels than the limit.
        UndecodableImageError: The file is damaged or truncated.
    """
    if image_format == "GIF":  # Pillow fills a frame while opening
        check_size(read_gif_size(image_bytes), max_pixels)
    with translate_errors(image_format, len(image_bytes), max_pixels):
        pixels, orientation = _decode_stored(image_format, image_bytes, max_pixels, grey_range)
        return apply_orientation(pixels, orientation)


def _decode_stored(
    image_format: ImageFormat, image_bytes: bytes, max_pixels: int, grey_range: tuple[int, int]
) -> tuple[PackedPixels, int]:
    """Return an encoded image (H, W), as it is stored, and its Exif orientation.

    Raises:
        Exception: Pillow cannot read the file.
    """
    with DECODERS[image_format](io.BytesIO(image_bytes)) as image:
        check_size(image.size, max_pixels)
        if image_format == "PNG":
            scale_transparent_grey(image, image_bytes[_PNG_DEPTH_OFFSET])
        exif = image.info.get("exif")
        # Pillow turns a TIFF, whose tags are not in `exif`, while loading it.
        orientation = read_exif_orientation(exif) if exif else UPRIGHT_EXIF
        if image_format in {"WebP", "AVIF"}:
            return pack_frame(take_frame(image), image.mode), orientation
        image.load()
        return _pack_image(image, _choose_conversion(image, grey_range)), orientation


def take_frame(image: ImageFile) -> NDArray[np.uint8]:
    """Return the first frame (H, W, C) of a WebP or AVIF, and free its decoder.

    ``load`` would hold the decoder's frames, the frame's bytes and an image of them at once.

    Raises:
        Exception: Pillow cannot read the frame.
    """
    decoder = image._decoder  # type: ignore[attr-defined]  # noqa: SLF001  it has no public name
    frame = decoder.get_next() if isinstance(image, WebPImageFile) else decoder.get_frame(0)
    image._decoder = None  # type: ignore[attr-defined]  # noqa: SLF001
    if frame is None:
        raise EOFError
    width, height = image.size
    return np.frombuffer(frame[0], np.uint8).reshape(height, width, -1)


def pack_frame(frame: NDArray[np.uint8], mode: str) -> PackedPixels:
    """Return a frame (H, W, C) as packed pixels, without a copy if it is RGBX."""
    height, width, channels = frame.shape
    if channels > len(mode):
        return pack_rgbx(frame)
    if channels == 1:
        frame = frame[..., 0]  # (H, W)

    def crop_frame(box: _Box) -> Pillow.Image:
        left, top, right, bottom = box
        return _convert_to_rgb(Pillow.fromarray(frame[top:bottom, left:right]))

    return _pack_parts((width, height), crop_frame)


def decode_jpeg_with_pillow(
    image_bytes: bytes, size_wh: tuple[int, int], factor: int, byte_count: int
) -> PackedPixels:
    """Return a JPEG (ceil(H / factor), ceil(W / factor)), as it is stored.

    Args:
        image_bytes: The file, without its metadata.
        size_wh: W and H.
        factor: 1, 2, 4 or 8.
        byte_count: Of the file with its metadata.

    Raises:
        UndecodableImageError: The file is damaged or truncated.
    """
    width, height = size_wh
    with (
        translate_errors("JPEG", byte_count, width * height),
        JpegImageFile(io.BytesIO(image_bytes)) as image,
    ):
        image.draft(image.mode, (max(1, width // factor), max(1, height // factor)))
        image.load()
        wanted = -(-width // factor), -(-height // factor)
        if image.size == wanted:
            return _pack_image(image, _convert_to_rgb)
        # A side below the factor has no smaller scale.
        return _pack_image(image.convert("RGB").resize(wanted), _convert_to_rgb)


@contextmanager
def translate_errors(image_format: ImageFormat, byte_count: int, max_pixels: int) -> Iterator[None]:
    """Raise errors of Pillow as errors of the image."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except Pillow.DecompressionBombError:
        raise ImagePixelsError(
            f"the header of the {image_format} declares too many pixels; "
            f"the limit is {max_pixels} pixels; send a smaller image"
        ) from None
    # The parsers of Pillow raise anything, such as struct.error, for a damaged file. Their messages
    # may quote the file, so there is no cause.
    except Exception:  # noqa: BLE001
        # Some decoders have one error for damage and for lack of memory.
        if not can_allocate(_DECODER_BYTES * max_pixels):
            raise MemoryError(f"the decoder of {image_format} failed") from None
        raise build_damage_error(image_format, byte_count) from None


def build_damage_error(image_format: ImageFormat, byte_count: int) -> UndecodableImageError:
    """Return the error of a file that breaks while its pixels are read."""
    return UndecodableImageError(
        f"the {image_format} of {byte_count} bytes is damaged, truncated or without pixels; "
        "send the complete file"
    )


def scale_transparent_grey(image: ImageFile, bits: int) -> None:
    """Scale the transparent grey of a PNG as Pillow scales its pixels, which it does not do."""
    transparent = image.info.get("transparency")
    if image.mode == "L" and isinstance(transparent, int):
        image.info["transparency"] = transparent * 255 // (2**bits - 1)


def _choose_conversion(image: ImageFile, grey_range: tuple[int, int]) -> _Conversion:
    """Return the conversion of parts of a loaded image to mode RGB."""
    if image.mode.startswith("I;16"):
        greys = _compute_greys(grey_range)
        return lambda part: _convert_to_rgb(_convert_to_8_bits(part, greys))
    is_opaque = (
        # Programs leave the alpha of a BMP at zero, as browsers know.
        isinstance(image, BmpImageFile)
        and image.mode == "RGBA"
        and image.getchannel("A").getextrema() == (0, 0)
    )
    return (lambda part: part.convert("RGB")) if is_opaque else _convert_to_rgb


def _convert_to_rgb(image: Pillow.Image) -> Pillow.Image:
    """Return an image, or a part of one, in mode RGB."""
    if image.mode == "La":  # grey with associated alpha, which has one way alone out of it
        image = image.convert("LA")
    if image.has_transparency_data:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        canvas = Pillow.new("RGB", image.size, "white")
        canvas.paste(rgba, mask=rgba)
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")


def _compute_greys(grey_range: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the eight-bit grey of each sixteen-bit grey (65536,), rounded to nearest."""
    black, white = grey_range
    share = (np.arange(_WHITE + 1) - black) / (white - black)  # (65536,)
    greys: NDArray[np.uint8] = np.rint(255 * share.clip(0, 1)).astype(np.uint8)
    return greys


def _convert_to_8_bits(image: Pillow.Image, greys: NDArray[np.uint8]) -> Pillow.Image:
    """Return sixteen-bit grey as eight-bit grey, with alpha if needed.

    The transparent grey of a PNG has sixteen bits too; eight bits cannot tell it from 256 others.
    """
    values = np.asarray(image)  # (H, W)
    grey = greys[values]
    transparent = image.info.get("transparency")
    if transparent is None:
        return Pillow.fromarray(grey)
    alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
    return Pillow.fromarray(np.stack([grey, alpha], axis=-1))  # (H, W, 2)


def pack_cmyk(samples: NDArray[np.uint8]) -> PackedPixels:
    """Return the inverted inks (H, W, 4) of a JPEG as packed pixels (H, W).

    All programs invert them, as Adobe's do; a file that has them upright is unknown.
    """
    height, width, _ = samples.shape

    def convert_part(box: _Box) -> Pillow.Image:
        left, top, right, bottom = box
        inks = np.ascontiguousarray(samples[top:bottom, left:right])
        size_wh = right - left, bottom - top
        return Pillow.frombuffer("CMYK", size_wh, inks, "raw", "CMYK;I", 0, 1).convert("RGB")

    return _pack_parts((width, height), convert_part)


def _pack_image(image: Pillow.Image, convert: _Conversion) -> PackedPixels:
    """Return a loaded image as packed pixels."""
    return _pack_parts(image.size, lambda box: convert(image.crop(box)))


def _pack_parts(size_wh: tuple[int, int], get_part: Callable[[_Box], Pillow.Image]) -> PackedPixels:
    """Return an image as packed pixels (H, W), from its parts in mode RGB.

    Beside the result, there is never more than one image of this size. Pillow returns its bytes as
    a list of pieces; small parts reuse their memory, and take a quarter of the time for 12
    megapixels.
    """
    width, height = size_wh
    columns = min(width, _PART_PIXELS)
    rows = _PART_PIXELS // columns
    padded = np.empty((height, width, 4), np.uint8)
    for top, left in product(range(0, height, rows), range(0, width, columns)):
        checkpoint()
        right, bottom = min(left + columns, width), min(top + rows, height)
        part = get_part((left, top, right, bottom)).tobytes("raw", "RGBX")
        pixels = np.frombuffer(part, np.uint8).reshape(bottom - top, right - left, 4)
        padded[top:bottom, left:right] = pixels
        del part, pixels  # the next part would be made beside them
    return pack_rgbx(padded)
