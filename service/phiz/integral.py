"""Integral images: the area average of any window of a picture from four corners.

Three channel sums share one uint64, 21 bits each (the last one 22). Their differences are
exact modulo 2⁶⁴, so that a window of up to 8224 pixels (8224 · 255 < 2²¹) unpacks without
carries, however large the picture. One integral serves every level of a pyramid and every
crop. Crow 1984 (summed-area tables); the windows are those of adaptive average pooling,
``floor(i · n / m)`` to ``ceil((i + 1) · n / m)``, which facenet-pytorch's ``imresample`` is.
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.picture import CHANNEL_BITS, Raster, spread

Integral: TypeAlias = NDArray[np.uint64]
"""(H + 1, W + 1), packed sums of all pixels above and to the left."""
Pixels: TypeAlias = NDArray[np.float32]
"""(…, 3), RGB, 0 to 255, not whole numbers."""
Regions: TypeAlias = NDArray[np.intp]
"""(N, 4), x1 y1 x2 y2, whole pixels, half-open, inside the picture, not empty."""
Indices = NDArray[np.intp]

CHANNEL_MASK = np.int32(2**21 - 1)
MAX_WINDOW = (2**21 - 1) // 255  # pixels
BLOCK = 32  # rows


def integral(image: Raster) -> Integral:
    """Return the packed integral (H + 1, W + 1) of a picture (H, W)."""
    height, width = image.shape
    sums = np.zeros((height + 1, width + 1), np.uint64)
    for top in range(0, height, BLOCK):  # what is worked on stays in the cache
        block = sums[top + 1 : top + 1 + BLOCK, 1:]  # (B, W)
        np.cumsum(spread(image[top : top + BLOCK]), axis=1, out=block)
        block[0] += sums[top, 1:]
        np.cumsum(block, axis=0, out=block)
    return sums


def level(
    image: Raster, sums: Integral, shape_hw: tuple[int, int], rows: slice = slice(None)
) -> Pixels:
    """Return rows of the whole picture (H, W) averaged to (h, w, 3).

    Args:
        image: The picture, for windows larger than the integral can hold.
        sums: Its integral.
        shape_hw: h and w; either may be larger than the picture's.
        rows: Which of the h rows are wanted.
    """
    height, width = image.shape
    top, bottom = (edge[0, rows] for edge in _windows(*_segment(height), shape_hw[0]))  # (r,)
    left, right = (edge[0] for edge in _windows(*_segment(width), shape_hw[1]))  # (w,)
    counts = (bottom - top)[:, None] * (right - left)  # (r, w)
    if counts.max() > MAX_WINDOW:
        return _direct(image, top, bottom, left, right)
    strips = sums[bottom] - sums[top]  # (r, W + 1)
    return _unpack(strips[:, right] - strips[:, left], counts)  # (r, w, 3)


def crops(image: Raster, sums: Integral, regions: Regions, size: int) -> Pixels:
    """Return regions (N, 4) of a picture averaged to (N, size, size, 3)."""
    top, bottom = _windows(regions[:, 1], regions[:, 3], size)  # (N, size) each
    left, right = _windows(regions[:, 0], regions[:, 2], size)  # (N, size) each
    counts = (bottom - top)[:, :, None] * (right - left)[:, None]  # (N, size, size)
    flat, stride = sums.ravel(), sums.shape[1]
    lower, upper = (bottom * stride)[:, :, None], (top * stride)[:, :, None]  # (N, size, 1)
    left, right = left[:, None], right[:, None]  # (N, 1, size)
    packed = flat[lower + right] - flat[lower + left]  # (N, size, size)
    packed -= flat[upper + right] - flat[upper + left]
    pixels = _unpack(packed, counts)  # (N, size, size, 3)
    for index in np.flatnonzero(counts.max(axis=(1, 2), initial=0) > MAX_WINDOW):
        corners = top[index], bottom[index], left[index, 0], right[index, 0]
        pixels[index] = _direct(image, *corners)
    return pixels


def _segment(length: int) -> tuple[Indices, Indices]:
    return np.zeros(1, np.intp), np.array([length])


def _windows(low: Indices, high: Indices, size: int) -> tuple[Indices, Indices]:
    """Return first and last + 1 (N, size) of the windows of segments [low, high) (N,)."""
    steps = np.arange(size + 1) * (high - low)[:, None]  # (N, size + 1)
    first = low[:, None] + steps[:, :-1] // size  # (N, size)
    return first, low[:, None] - (-steps[:, 1:] // size)  # ceil


def _unpack(packed: NDArray[np.uint64], counts: Indices) -> Pixels:
    """Return the averages (…, 3) of packed sums (…) over counts (…) of pixels."""
    pixels = np.empty((*packed.shape, 3), np.float32)
    shares = np.float32(1) / counts.astype(np.float32)  # (…)
    for channel in range(3):
        # By way of int32, which the vector units turn into floats.
        sums = (packed >> np.uint64(CHANNEL_BITS * channel)).astype(np.int32)  # (…)
        sums &= CHANNEL_MASK
        np.multiply(sums.astype(np.float32), shares, out=pixels[..., channel])
    return pixels


def _direct(image: Raster, top: Indices, bottom: Indices, left: Indices, right: Indices) -> Pixels:
    """Return averages (h, w, 3) over windows of any size, without an integral.

    Such windows are coarse, so that there are few: each row of them is summed by itself. The
    sums of a row are packed as in the integral, which holds for up to 8224 rows; the running
    sum of them is not.
    """
    rows = np.stack(
        [_channels(spread(image[a:b]).sum(axis=0)) for a, b in zip(top, bottom, strict=True)]
    )  # (h, W, 3)
    sums = np.zeros((len(rows), image.shape[1] + 1, 3), np.int64)
    np.cumsum(rows, axis=1, out=sums[:, 1:])
    counts = (bottom - top)[:, None, None] * (right - left)[:, None]  # (h, w, 1)
    averages: Pixels = ((sums[:, right] - sums[:, left]) / counts).astype(np.float32)  # (h, w, 3)
    return averages


def _channels(packed: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return packed sums (…) as three (…, 3)."""
    shifts = np.uint64(CHANNEL_BITS) * np.arange(3, dtype=np.uint64)
    sums = packed[..., None] >> shifts & np.uint64(CHANNEL_MASK)  # (…, 3)
    return sums.astype(np.int64)
