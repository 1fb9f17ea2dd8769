"""The images that callers have: a path, encoded bytes, or an array."""

import io
import os
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image as Pillow

from phiz.errors import ImagePixelsError, UnsupportedImageError
from phiz.faces import RgbImage
from phiz.image.lazy import LazyImage

ImageSource: TypeAlias = str | os.PathLike[str] | bytes | RgbImage
"""A path, an encoded image, or the pixels (H, W, 3) of an upright image, RGB, uint8."""


def load_image(source: ImageSource, max_pixels: int) -> bytes | LazyImage:
    """Return an image for an engine: its bytes, or the pixels of an array.

    Raises:
        OSError: The file cannot be read.
        ImageError: The array is not an image, or has more pixels than the limit.
    """
    if not isinstance(source, np.ndarray):
        return _load_bytes(source)
    height, width, _ = _check_array(source).shape
    if height * width > max_pixels:
        raise ImagePixelsError(
            f"the array has {width} x {height} pixels; the limit is {max_pixels} pixels; send a"
            " smaller image"
        )
    return LazyImage.from_array(source)


def encode_image(source: ImageSource) -> bytes:
    """Return an image for a service: its bytes, of an array as a PNG without loss.

    Raises:
        OSError: The file cannot be read.
        UnsupportedImageError: The array is not an image.
    """
    if not isinstance(source, np.ndarray):
        return _load_bytes(source)
    file = io.BytesIO()
    # The fastest level: the best one takes ten times as long for a file a tenth smaller.
    Pillow.fromarray(_check_array(source)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _load_bytes(source: str | os.PathLike[str] | bytes) -> bytes:
    return bytes(source) if isinstance(source, bytes | bytearray) else Path(source).read_bytes()


def _check_array(array: RgbImage) -> RgbImage:
    """Return an array that is an image.

    Raises:
        UnsupportedImageError: It is not.
    """
    if array.dtype != np.uint8 or array.shape[2:] != (3,) or not array.size:
        shape = " x ".join(map(str, array.shape))
        raise UnsupportedImageError(
            f"the array has the shape {shape} and the type {array.dtype}; it must have height x"
            " width x 3 values of the type uint8, in the order red, green, blue"
        )
    return array
