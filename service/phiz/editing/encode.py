"""Writes images as JPEG, PNG or WebP."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from PIL import Image as Pillow

from phiz.errors import ImageBytesError, ImagePixelsError
from phiz.image.limits import DecodingLimits
from phiz.image.pixels import PackedPixels
from phiz.options import PictureFormat

MEDIA_TYPES: Final[Mapping[PictureFormat, str]] = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
ENCODERS: Final[Mapping[PictureFormat, Mapping[str, Any]]] = {
    "jpeg": {"quality": 92},
    # 48 megapixels take 2 seconds, three times as fast as Pillow's own level and 8 % larger.
    "png": {"compress_level": 1},
    # A higher method takes many times as long.
    "webp": {"quality": 90, "method": 2},
}
"""How each format is written, as arguments of Pillow's ``save``."""

# An answer may have so many times the bytes of the largest image that is read.
_MAX_ANSWER_RATIO: Final = 4
_MAX_SIDES_PX: Final[Mapping[PictureFormat, int]] = {"jpeg": 65_500, "webp": 16_383}


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image."""

    content: bytes
    media_type: str


def encode_image(
    image: Pillow.Image,
    picture_format: PictureFormat,
    limits: DecodingLimits,
    **arguments: Any,  # noqa: ANN401  of Pillow's encoders
) -> Picture:
    """Return an encoded image.

    Args:
        image: In a mode of the format.
        picture_format: Its format.
        limits: An answer may have four times ``max_bytes``.
        arguments: Of Pillow's ``save``, beside or instead of those of ``ENCODERS``.

    Raises:
        ImagePixelsError: The format has no images with so long a side.
        ImageBytesError: The file would be too large.
    """
    check_sides(image.size, picture_format)
    file = io.BytesIO()
    image.save(file, picture_format, **{**ENCODERS[picture_format], **arguments})
    check_answer_bytes(file.tell(), limits)
    return Picture(file.getvalue(), MEDIA_TYPES[picture_format])


def check_sides(size_wh: tuple[int, int], picture_format: PictureFormat) -> None:
    """Refuse an image with a longer side than its format has.

    Raises:
        ImagePixelsError: It has.
    """
    limit = _MAX_SIDES_PX.get(picture_format)
    if limit is not None and max(size_wh) > limit:
        raise ImagePixelsError(
            f"the image is {size_wh[0]} x {size_wh[1]}; the limit of a side is {limit} pixels for"
            f" {MEDIA_TYPES[picture_format]}; choose format=png"
        )


def check_answer_bytes(size_bytes: int, limits: DecodingLimits) -> None:
    """Refuse an answer that is too large.

    Raises:
        ImageBytesError: It is.
    """
    limit = _MAX_ANSWER_RATIO * limits.max_bytes
    if size_bytes > limit:
        raise ImageBytesError(
            f"the answer would have {size_bytes} bytes or more; the limit is {limit} bytes; send a"
            " smaller image, choose JPEG, or lower size or max_faces"
        )


def to_pillow(pixels: PackedPixels) -> Pillow.Image:
    """Return packed pixels (H, W) as an image in mode RGB, a copy."""
    down, across = map(abs, pixels.strides)
    if down < across:  # turned: Pillow copies it block by block, several times as fast
        return to_pillow(pixels.T).transpose(Pillow.Transpose.TRANSPOSE)
    height, width = pixels.shape
    words = np.ascontiguousarray(pixels, "<u4")  # (H, W)
    return Pillow.frombuffer("RGBX", (width, height), words, "raw", "RGBX", 0, 1).convert("RGB")
