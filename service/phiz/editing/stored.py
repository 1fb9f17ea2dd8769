"""Images as they are stored: to change some of their pixels, and to write them as they were.

A JPEG keeps its quantisation tables, its subsampling and its orientation, a PNG and a WebP every
pixel of theirs. Palettes become RGB, with alpha if they have transparency. Other formats become a
PNG of the upright image in RGB. Each keeps its Exif.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from PIL import Image as Pillow
from PIL.JpegImagePlugin import JpegImageFile, get_sampling
from PIL.PngImagePlugin import PngImageFile, PngInfo
from PIL.WebPImagePlugin import WebPImageFile

from phiz.editing.encode import MEDIA_TYPES, Picture, encode_image, to_pillow
from phiz.editing.exif import clean_exif, clean_tiff_tags, read_exif
from phiz.editing.jpeg_copy import copy_jpeg
from phiz.editing.metadata import find_colour_chunks, find_jpeg_profile, fits_mode, read_profile
from phiz.errors import ImagePixelsError, UnsupportedImageError
from phiz.image.decode import open_image
from phiz.image.formats import ImageFormat, sniff_format
from phiz.image.frames import has_several_frames, is_lossless_webp
from phiz.image.jpeg_header import END_OF_IMAGE, read_jpeg_header
from phiz.image.lazy import LazyImage
from phiz.image.limits import (
    MAX_JPEG_SEGMENTS,
    DecodingLimits,
    check_size,
    find_finest_factor,
)
from phiz.image.orientation import UPRIGHT_EXIF
from phiz.image.pillow import scale_transparent_grey, take_frame, translate_errors
from phiz.image.tiff import read_exif_orientation
from phiz.options import PictureFormat

_PNG_DEPTH_OFFSET, _PNG_COLOURS_OFFSET = 24, 25
_PNG_GREY: Final = 0
_MAX_PNG_DEPTH: Final = 8
_SMALL_MODES: Final = {"1": "L", "P": "RGB"}
# Bytes a pixel that the lossless encoder of WebP takes beside the image, of the worker's memory.
_LOSSLESS_WEBP_SHARE: Final = 16 / 20
_MAX_QUANTISATION_TABLES: Final = 4


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image that may be changed, and how it is written.

    Attributes:
        image: In one of the modes L, LA, RGB, RGBX, RGBA, CMYK and I;16.
        picture_format: Format of the file that is written.
        orientation: Exif orientation of the pixels.
        arguments: Arguments of Pillow's encoder.
    """

    image: Pillow.Image
    picture_format: PictureFormat
    orientation: int = UPRIGHT_EXIF
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, limits: DecodingLimits) -> Picture:
        """Return the file.

        Raises:
            ImagePixelsError: The format has no images with so long a side.
            ImageBytesError: The file would be too large.
        """
        return encode_image(self.image, self.picture_format, limits, **self.arguments)


def open_stored(
    image_bytes: bytes, limits: DecodingLimits, picture_format: PictureFormat | None = None
) -> StoredImage:
    """Return a file's image for changes.

    Args:
        image_bytes: A file that ``open_image`` has opened.
        limits: The limits on images.
        picture_format: Format of the file that is written; None for that of the file, or PNG.

    Raises:
        ImageError: The pixels cannot be decoded or written within the limits, or there are several
            frames.
    """
    image_format = _check_format(image_bytes)
    own = _OPENERS.get(image_format)
    if own is None or (picture_format is not None and picture_format != image_format.lower()):
        return _open_upright(image_format, image_bytes, limits, picture_format or "png")
    with translate_errors(image_format, len(image_bytes), limits.max_pixels):
        return own(image_bytes, limits.max_pixels)


def copy_stored(
    image_bytes: bytes, limits: DecodingLimits, picture_format: PictureFormat | None = None
) -> Picture | None:
    """Return a JPEG as a JPEG that is not encoded anew, with the metadata of ``open_stored``.

    Args:
        image_bytes: As for ``open_stored``.
        limits: As for ``open_stored``.
        picture_format: As for ``open_stored``.

    Returns:
        None for another format, or if the file has unusual parts.

    Raises:
        ImageError: There are too many pixels, or several frames.
    """
    if _check_format(image_bytes) != "JPEG" or picture_format not in {None, "jpeg"}:
        return None
    for frame in read_jpeg_header(image_bytes, MAX_JPEG_SEGMENTS + 1).frames:
        check_size(frame.size_wh, limits.max_pixels)
    copied = copy_jpeg(image_bytes)
    return None if copied is None else Picture(copied, MEDIA_TYPES["jpeg"])


def _check_format(image_bytes: bytes) -> ImageFormat:
    """Return the format of a readable file.

    Raises:
        UnsupportedImageError: There are several frames.
    """
    image_format = sniff_format(image_bytes)
    assert image_format is not None, "its faces have been found"
    if has_several_frames(image_format, image_bytes):
        raise UnsupportedImageError(
            f"the {image_format} has several frames or pages, and faces are covered in single"
            " images; send each of them as an image of its own"
        )
    return image_format


def _open_upright(
    image_format: ImageFormat,
    image_bytes: bytes,
    limits: DecodingLimits,
    picture_format: PictureFormat,
) -> StoredImage:
    """Return the upright image in RGB."""
    profile = read_profile(image_format, image_bytes)
    arguments: dict[str, Any] = {"icc_profile": profile} if fits_mode(profile, "RGB") else {}
    if image_format == "TIFF":
        arguments["exif"] = clean_tiff_tags(image_bytes, UPRIGHT_EXIF)
    else:
        arguments["exif"] = clean_exif(read_exif(image_format, image_bytes), UPRIGHT_EXIF)
    image = decode_upright(open_image(image_bytes, limits), limits)
    return StoredImage(image, picture_format, arguments=arguments)


def decode_upright(lazy: LazyImage, limits: DecodingLimits) -> Pillow.Image:
    """Return an image at full scale, upright, in mode RGB.

    Raises:
        ImageError: The pixels cannot be decoded at full scale within the limits.
    """
    size_wh = lazy.width, lazy.height
    check_size(size_wh, limits.max_pixels)
    if not lazy.has_full_scale:
        raise _build_scans_error(size_wh)
    return to_pillow(lazy.decode_full())


def _open_jpeg(image_bytes: bytes, max_pixels: int) -> StoredImage:
    header = read_jpeg_header(image_bytes, MAX_JPEG_SEGMENTS + 1)
    (frame,) = header.frames
    check_size(frame.size_wh, max_pixels)
    coefficient_bytes = 0 if header.has_one_scan else frame.count_coefficient_bytes()
    if find_finest_factor(frame.size_wh, coefficient_bytes, max_pixels) > 1:
        raise _build_scans_error(frame.size_wh)
    lean_bytes = header.lean_bytes
    if not lean_bytes.endswith(END_OF_IMAGE):
        lean_bytes += END_OF_IMAGE
    image = JpegImageFile(io.BytesIO(lean_bytes))
    image.load()
    orientation = read_exif_orientation(header.exif) if header.exif else UPRIGHT_EXIF
    profile = find_jpeg_profile(image_bytes)
    tables = list(image.quantization.values())[:_MAX_QUANTISATION_TABLES]
    arguments = {
        "quality": -1,  # the tables say it
        "qtables": tables,
        "subsampling": get_sampling(image),
        "progressive": "progressive" in image.info,
        # A JPEG with stored RGB has an Adobe segment that says so.
        "keep_rgb": header.adobe_transform == 0 and image.mode == "RGB",
        "dpi": image.info.get("dpi", (0, 0)),
        "icc_profile": profile if fits_mode(profile, image.mode) else None,
        "exif": clean_exif(header.exif, orientation),
    }
    image.info = {}
    return StoredImage(image, "jpeg", orientation, arguments)


def _open_png(image_bytes: bytes, max_pixels: int) -> StoredImage:
    depth, colours = image_bytes[_PNG_DEPTH_OFFSET], image_bytes[_PNG_COLOURS_OFFSET]
    if depth > _MAX_PNG_DEPTH and colours != _PNG_GREY:
        raise UnsupportedImageError(
            f"the PNG has colours of {depth} bits, and an edited PNG has at most {_MAX_PNG_DEPTH}"
            f" bits per colour; save it with {_MAX_PNG_DEPTH} bits, or set format=png, which"
            " reduces it"
        )
    image = PngImageFile(io.BytesIO(image_bytes))
    check_size(image.size, max_pixels)
    scale_transparent_grey(image, depth)
    exif = image.info.get("exif", b"")
    orientation = read_exif_orientation(exif) if exif else UPRIGHT_EXIF
    image.load()
    converted = _convert_png(image)
    chunks = PngInfo()
    profile = read_profile("PNG", image_bytes, image.info)
    if not fits_mode(profile, converted.mode):
        profile = None
    for name, content in find_colour_chunks(image_bytes):
        chunks.add(name, content)
    arguments = {
        "icc_profile": profile,
        "pnginfo": chunks,
        # Not that of `info`, which lacks what stands after the pixels.
        "exif": clean_exif(read_exif("PNG", image_bytes), orientation),
        "dpi": image.info.get("dpi"),
    }
    transparent = image.info.get("transparency") if converted.mode == "I;16" else None
    converted.info = {} if transparent is None else {"transparency": transparent}
    return StoredImage(converted, "png", orientation, arguments)


def _convert_png(image: Pillow.Image) -> Pillow.Image:
    """Return a PNG's image in a mode whose values are means of others."""
    if image.mode == "I;16":
        return image
    if image.mode != "LA" and image.has_transparency_data:
        return image if image.mode == "RGBA" else image.convert("RGBA")
    wanted = _SMALL_MODES.get(image.mode, image.mode)
    return image if image.mode == wanted else image.convert(wanted)


def _open_webp(image_bytes: bytes, max_pixels: int) -> StoredImage:
    is_lossless = is_lossless_webp(image_bytes)
    with WebPImageFile(io.BytesIO(image_bytes)) as file:
        check_size(file.size, max_pixels)
        if is_lossless:
            check_lossless_size(file.size, max_pixels)
        exif, size_wh, mode = file.info.get("exif", b""), file.size, file.mode
        profile = read_profile("WebP", image_bytes, file.info)
        frame = take_frame(file)  # (H, W, 4)
    mode = "RGBA" if mode == "RGBA" else "RGBX"
    image = Pillow.frombuffer(mode, size_wh, frame, "raw", mode, 0, 1).copy()
    orientation = read_exif_orientation(exif) if exif else UPRIGHT_EXIF
    arguments: dict[str, Any] = {
        "icc_profile": profile if fits_mode(profile, "RGB") else None,
        "exif": clean_exif(exif, orientation),
    }
    if is_lossless:
        # The colours of transparent pixels are pixels too.
        arguments |= {"lossless": True, "quality": 20, "method": 0, "exact": True}
    return StoredImage(image, "webp", orientation, arguments)


_OPENERS: Final[Mapping[ImageFormat, Callable[[bytes, int], StoredImage]]] = {
    "JPEG": _open_jpeg,
    "PNG": _open_png,
    "WebP": _open_webp,
}


def check_lossless_size(size_wh: tuple[int, int], max_pixels: int) -> None:
    """Refuse a WebP that takes too much memory to write without loss.

    Raises:
        ImagePixelsError: It does.
    """
    limit = int(_LOSSLESS_WEBP_SHARE * max_pixels)
    if size_wh[0] * size_wh[1] > limit:
        raise ImagePixelsError(
            f"the image is {size_wh[0]} x {size_wh[1]}, {size_wh[0] * size_wh[1]} pixels; the limit"
            f" is {limit} pixels for a WebP without loss; choose format=png"
        )


def _build_scans_error(size_wh: tuple[int, int]) -> ImagePixelsError:
    return ImagePixelsError(
        f"the image is {size_wh[0]} x {size_wh[1]}, and its scans need too much memory at full"
        " size; save it as a baseline JPEG"
    )
