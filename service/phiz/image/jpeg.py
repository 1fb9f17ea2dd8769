"""Decodes JPEG with libjpeg-turbo to packed pixels, at scale 1, 1/2, 1/4 or 1/8.

At full scale the pixels equal those of Pillow. At a smaller scale, the inverse transform of each
8 × 8 block gives fewer pixels (ITU-T T.81 leaves its size open). This is faster, and averages the
removed detail.
"""

import numpy as np
import simplejpeg

from phiz.image.headers import read_frame_types
from phiz.image.pixels import PackedPixels, pack_rgbx

_COLOUR_SPACES = (
    "YCbCr",
    "RGB",
    "Gray",
)  # four channels are left to Pillow, which knows the Adobe convention
# Baseline, extended sequential, progressive. Lossless JPEG has no smaller scale, and the decoder
# would write beyond its memory if asked for one.
_FRAME_TYPES = {0, 1, 2}
# The second is 4:4:1 subsampling, which the decoder supports and its wrapper does not name.
_DECODER_ERRORS = (ValueError, KeyError)


def read_jpeg_size(image_bytes: bytes) -> tuple[int, int] | None:
    """Return width and height by the header, or None if the file is not decoded here."""
    return read_header_size(image_bytes) if read_frame_types(image_bytes) <= _FRAME_TYPES else None


def read_header_size(image_bytes: bytes) -> tuple[int, int] | None:
    """Return width and height by the header, or None if it is unclear."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(image_bytes)
    except _DECODER_ERRORS:
        return None
    return (width, height) if colours in _COLOUR_SPACES else None


def decode_jpeg(image_bytes: bytes, size_wh: tuple[int, int], factor: int) -> PackedPixels | None:
    """Return the image (ceil(H / factor), ceil(W / factor)), or None on any error.

    Args:
        image_bytes: The file.
        size_wh: W and H, from ``read_jpeg_size`` of this file.
        factor: 1, 2, 4 or 8.
    """
    width, height = (-(-side // factor) for side in size_wh)
    try:
        padded = np.asarray(
            simplejpeg.decode_jpeg(image_bytes, "RGBX", min_width=width, min_height=height)
        )  # (H, W, 4)
    except _DECODER_ERRORS:
        return None
    assert padded.shape[:2] == (height, width), "the decoder takes the smallest scale that does"
    return pack_rgbx(padded)
