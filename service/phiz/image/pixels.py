"""Pixels packed into words.

A pixel is one 32-bit word, so that it is moved in one piece: red in the lowest byte, then
green, then blue, and a highest byte without meaning.
"""

import sys
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.faces import Image

Raster: TypeAlias = NDArray[np.uint32]
"""(H, W), one word a pixel: red, green, blue, nothing, from the lowest byte on."""

CHANNEL_BITS = 21  # between channels of a word that is spread over 64 bits for arithmetic
RED, GREEN, BLUE = (np.uint64(0xFF << CHANNEL_BITS * channel) for channel in range(3))
APART = np.uint64(CHANNEL_BITS - 8)  # how much further from its neighbour than in a word


def raster(image: Image) -> Raster:
    """Return an image (H, W, 3) as a raster (H, W)."""
    height, width, _ = image.shape
    padded = np.empty((height, width, 4), np.uint8)
    padded[..., :3] = image
    padded[..., 3] = 0
    return words(padded)


def words(padded: NDArray[np.uint8]) -> Raster:
    """Return contiguous bytes (H, W, 4), RGBX, as a raster (H, W), without a copy if it can be."""
    little: Raster = padded.view("<u4")[..., 0]  # (H, W)
    return little if sys.byteorder == "little" else little.astype(np.uint32)


def rgb(pixels: Raster) -> Image:
    """Return a raster (H, W) as an image (H, W, 3)."""
    padded = pixels.astype("<u4", copy=False)[..., None].view(np.uint8)  # (H, W, 4)
    return np.ascontiguousarray(padded[..., :3])  # (H, W, 3)


def spread(pixels: Raster) -> NDArray[np.uint64]:
    """Return words (…) with their three channels 21 bits apart."""
    wide = pixels.astype(np.uint64)  # (…)
    channels = wide & RED
    wide <<= APART
    channels |= wide & GREEN
    wide <<= APART
    channels |= wide & BLUE
    return channels
