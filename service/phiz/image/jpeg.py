"""JPEG by libjpeg-turbo, straight to packed pixels, at full scale or a half, a quarter, an eighth.

At full scale the pixels are those that Pillow gives. At a smaller scale each block of 8 × 8 is
undone to fewer pixels (ITU-T T.81 leaves the size of the inverse transform open), which costs
less and averages what it leaves out.
"""

import numpy as np
import simplejpeg

from phiz.image.headers import read_frame_types
from phiz.image.pixels import PackedPixels, pack_rgbx

_COLOUR_SPACES = ("YCbCr", "RGB", "Gray")  # of four channels, Pillow knows what Adobe meant
# Baseline, extended sequential, progressive. Not lossless: it has no smaller scale, and the
# decoder, asked for one, writes beyond the memory that it has reserved.
_FRAME_TYPES = {0, 1, 2}
# The second is of a subsampling, 4:4:1, that the decoder knows and its wrapper has no name for.
_DECODER_ERRORS = (ValueError, KeyError)


def read_jpeg_size(image_bytes: bytes) -> tuple[int, int] | None:
    """Return width and height by the header, None where it is not one that is decoded here."""
    return read_header_size(image_bytes) if read_frame_types(image_bytes) <= _FRAME_TYPES else None


def read_header_size(image_bytes: bytes) -> tuple[int, int] | None:
    """Return width and height by the header, whether or not it is decoded here; None if unclear."""
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(image_bytes)
    except _DECODER_ERRORS:
        return None
    return (width, height) if colours in _COLOUR_SPACES else None


def decode_jpeg(image_bytes: bytes, size_wh: tuple[int, int], factor: int) -> PackedPixels | None:
    """Return a picture (ceil(H / factor), ceil(W / factor)), None where anything is wrong.

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
