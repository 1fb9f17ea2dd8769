"""Pixels packed into words.

A pixel is one 32-bit word, so that it moves in one piece. Red is the lowest byte, then green and
blue. The highest byte has no meaning.
"""

import sys
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.faces import RgbImage

PackedPixels: TypeAlias = NDArray[np.uint32]
"""(H, W), one word per pixel: red, green, blue and an unused byte, from the lowest on."""

CHANNEL_BITS = 21  # between channels of a word that is spread over 64 bits for arithmetic
WIDE_RED_MASK, WIDE_GREEN_MASK, WIDE_BLUE_MASK = (
    np.uint64(0xFF << CHANNEL_BITS * channel) for channel in range(3)
)
CHANNEL_SHIFT = np.uint64(CHANNEL_BITS - 8)  # how much further from its neighbour than in a word


def pack_pixels(image: RgbImage) -> PackedPixels:
    """Return an image (H, W, 3) as packed pixels (H, W)."""
    height, width, _ = image.shape
    padded = np.empty((height, width, 4), np.uint8)
    padded[..., :3] = image
    padded[..., 3] = 0
    return pack_rgbx(padded)


def pack_rgbx(padded: NDArray[np.uint8]) -> PackedPixels:
    """Return bytes (H, W, 4), RGBX, as packed pixels (H, W), without a copy if possible."""
    little: PackedPixels = padded.view("<u4")[..., 0]  # (H, W)
    return little if sys.byteorder == "little" else little.astype(np.uint32)


def unpack_rgb(pixels: PackedPixels) -> RgbImage:
    """Return packed pixels (H, W) as an image (H, W, 3), read-only."""
    height, width = pixels.shape
    words = np.ascontiguousarray(pixels, "<u4")
    # Pillow copies three of four bytes ten times as fast as numpy.
    padded = Pillow.frombuffer("RGBX", (width, height), words, "raw", "RGBX", 0, 1)
    return np.frombuffer(padded.tobytes("raw", "RGB"), np.uint8).reshape(height, width, 3)


def spread_channels(pixels: PackedPixels) -> NDArray[np.uint64]:
    """Return words (…) with their three channels 21 bits apart."""
    wide = pixels.astype(np.uint64)  # (…)
    channels = wide & WIDE_RED_MASK
    wide <<= CHANNEL_SHIFT
    channels |= wide & WIDE_GREEN_MASK
    wide <<= CHANNEL_SHIFT
    channels |= wide & WIDE_BLUE_MASK
    return channels
