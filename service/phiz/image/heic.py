"""Decodes HEIC images with libheif, which is an extra.

libheif turns and crops an image as its properties say. The Exif orientation says the same once
more, and is not used.
"""

from functools import cache
from importlib.util import find_spec
from types import ModuleType

import numpy as np

from phiz.image.limits import check_size
from phiz.image.pillow import pack_frame, translate_errors
from phiz.image.pixels import PackedPixels

EXTRA = "phiz[heif]"


def has_heif() -> bool:
    """Return whether libheif is installed."""
    return find_spec("pillow_heif") is not None


def decode_heic(image_bytes: bytes, max_pixels: int) -> PackedPixels:
    """Return the primary image (H, W) of a consistent file of a known variety, upright.

    Raises:
        ImagePixelsError: There are more pixels than the limit.
        UndecodableImageError: The file is damaged or truncated.
    """
    with translate_errors("HEIC", len(image_bytes), max_pixels):
        image = _load_library().open_heif(image_bytes)
        check_size(image.size, max_pixels)
        width, height = image.size
        frame = np.frombuffer(image.data, np.uint8).reshape(height, width, -1)
        return pack_frame(frame, image.mode)


@cache
def _load_library() -> ModuleType:
    """Return the library, which is loaded with the first image: it takes 4 MB of each worker."""
    import pillow_heif  # noqa: PLC0415

    # A worker has one processor, and is asked for one image.
    pillow_heif.options.DECODE_THREADS = 1
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    return pillow_heif
