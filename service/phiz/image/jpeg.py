"""Decodes JPEG with libjpeg-turbo to packed pixels, at scale 1, 1/2, 1/4 or 1/8.

At full scale the pixels equal those of Pillow. At a smaller scale, the inverse transform of each
8 × 8 block gives fewer pixels (ITU-T T.81 leaves its size open). This is faster, and averages the
removed detail.
"""

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from phiz.image.jpeg_header import END_OF_IMAGE
from phiz.image.pillow import pack_cmyk
from phiz.image.pixels import PackedPixels, pack_rgbx

CMYK_CHANNELS = 4

# The second is of sampling factors that the decoder supports and its wrapper does not name.
_DECODER_ERRORS = (ValueError, KeyError)


def read_jpeg_size(image_bytes: bytes) -> tuple[int, int] | None:
    """Return width and height by the header, or None if it is unclear."""
    try:
        height, width, _, _ = simplejpeg.decode_jpeg_header(image_bytes)
    except _DECODER_ERRORS:
        return None
    return width, height


def decode_jpeg(
    image_bytes: bytes, size_wh: tuple[int, int], factor: int, channels: int = 3
) -> PackedPixels | None:
    """Return the image (ceil(H / factor), ceil(W / factor)), or None on any error.

    A file that lacks only its end marker is complete.

    Args:
        image_bytes: The file.
        size_wh: W and H, from the header of this file.
        factor: 1, 2, 4 or 8.
        channels: Of the file; four are CMYK.
    """
    colours = "CMYK" if channels == CMYK_CHANNELS else "RGBX"
    samples = _decode_strictly(image_bytes, size_wh, factor, colours)
    if samples is None and not image_bytes.endswith(END_OF_IMAGE):
        samples = _decode_strictly(image_bytes + END_OF_IMAGE, size_wh, factor, colours)
    if samples is None:
        return None
    return pack_cmyk(samples) if colours == "CMYK" else pack_rgbx(samples)


def _decode_strictly(
    image_bytes: bytes, size_wh: tuple[int, int], factor: int, colours: str
) -> NDArray[np.uint8] | None:
    """Return the image (h, w, 4), or None if the decoder has an error or a warning.

    Raises:
        MemoryError: The memory is not enough.
    """
    width, height = (-(-side // factor) for side in size_wh)
    try:
        samples = np.asarray(
            simplejpeg.decode_jpeg(image_bytes, colours, min_width=width, min_height=height)
        )  # (h, w, 4)
    except _DECODER_ERRORS as error:
        if "memory" in str(error).lower():
            raise MemoryError(str(error)) from None
        return None
    assert samples.shape[:2] == (height, width), "the decoder takes the smallest scale that does"
    return samples
