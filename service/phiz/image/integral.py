"""Integral images: the average of any window of an image from its four corners.

Three channel sums share one uint64, 21 bits each (the last one 22). Their differences are exact
modulo 2⁶⁴. A window of up to 8224 pixels (8224 · 255 < 2²¹) therefore unpacks without carries,
however large the image. One integral serves all pyramid levels and all crops.

Source: Crow 1984 (summed-area tables). The windows are those of adaptive average pooling,
``floor(i · n / m)`` to ``ceil((i + 1) · n / m)``, as in facenet-pytorch's ``imresample``.
"""

from itertools import product
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.cancellation import checkpoint
from phiz.faces import Indices
from phiz.image.pixels import CHANNEL_BITS, PackedPixels, spread_channels

IntegralImage: TypeAlias = NDArray[np.uint64]
"""(H + 1, W + 1), packed sums of all pixels above and to the left."""
FloatPixels: TypeAlias = NDArray[np.float32]
"""(…, 3), RGB, 0 to 255, not whole numbers."""
Regions: TypeAlias = NDArray[np.intp]
"""(N, 4), x1 y1 x2 y2, whole pixels, half-open, inside the image, not empty."""

CHANNEL_MASK = np.int32(2**21 - 1)
MAX_WINDOW_PX = (2**21 - 1) // 255  # pixels
PART_SIDE_PX = 90  # pixels a side of a window that fits for certain
BLOCK_PIXELS = 1 << 16  # processed at once, to stay in the cache


def compute_integral(pixels: PackedPixels) -> IntegralImage:
    """Return the packed integral (H + 1, W + 1) of an image (H, W)."""
    height, width = pixels.shape
    sums = np.zeros((height + 1, width + 1), np.uint64)
    columns = min(width, BLOCK_PIXELS)
    rows = BLOCK_PIXELS // columns
    for top, left in product(range(0, height, rows), range(0, width, columns)):
        checkpoint()
        part = slice(top, top + rows), slice(left, left + columns)
        block = sums[1:, 1:][part]  # (B, C), one row if C < W
        # A turned image is a view whose columns are far apart.
        words = np.ascontiguousarray(pixels[part])  # (B, C)
        np.cumsum(spread_channels(words), axis=1, out=block)
        block[0] += sums[top, 1:][part[1]]
        if left:
            block += sums[top + 1, left : left + 1] - sums[top, left : left + 1]
        np.cumsum(block, axis=0, out=block)
    return sums


def get_shape(sums: IntegralImage) -> tuple[int, int]:
    """Return height and width of the image of an integral."""
    return sums.shape[0] - 1, sums.shape[1] - 1


def resize_level_tile(
    sums: IntegralImage, shape_hw: tuple[int, int], tile: tuple[range, range]
) -> FloatPixels:
    """Return one tile of the image, averaged to (h, w, 3) as a whole.

    Args:
        sums: The image's integral.
        shape_hw: h and w; either may exceed the image.
        tile: The wanted rows and columns, r of h and c of w.
    """
    height, width = get_shape(sums)
    top, bottom = _compute_tile_windows(height, shape_hw[0], tile[0])  # (r,) each
    left, right = _compute_tile_windows(width, shape_hw[1], tile[1])  # (c,) each
    counts = (bottom - top)[:, None] * (right - left)  # (r, c)
    if counts.max() > MAX_WINDOW_PX:
        return _average_large_windows(sums, top, bottom, left, right)
    # Only the columns from the first window to the last, which are often not all.
    part = sums[:, left[0] : right[-1] + 1]  # (H + 1, W')
    strips = part[bottom]  # (r, W')
    strips -= part[top]
    packed = strips.take(right - left[0], axis=1) - strips.take(left - left[0], axis=1)  # (r, c)
    return _unpack_averages(packed, counts)  # (r, c, 3)


def resize_regions(sums: IntegralImage, regions: Regions, size: int) -> FloatPixels:
    """Return regions (N, 4) of an image averaged to (N, size, size, 3)."""
    top, bottom = _compute_windows(regions[:, 1], regions[:, 3], size)  # (N, size) each
    left, right = _compute_windows(regions[:, 0], regions[:, 2], size)  # (N, size) each
    counts = (bottom - top)[:, :, None] * (right - left)[:, None]  # (N, size, size)
    flat, stride = sums.ravel(), sums.shape[1]
    lower, upper = (bottom * stride)[:, :, None], (top * stride)[:, :, None]  # (N, size, 1)
    left, right = left[:, None], right[:, None]  # (N, 1, size)
    packed = flat.take(lower + right)  # (N, size, size)
    packed -= flat.take(lower + left)
    packed -= flat.take(upper + right)
    packed += flat.take(upper + left)
    pixels = _unpack_averages(packed, counts)  # (N, size, size, 3)
    for index in np.flatnonzero(counts.max(axis=(1, 2), initial=0) > MAX_WINDOW_PX):
        corners = top[index], bottom[index], left[index, 0], right[index, 0]
        pixels[index] = _average_large_windows(sums, *corners)
    return pixels


def _compute_tile_windows(length: int, size: int, part: range) -> tuple[Indices, Indices]:
    """Return first and last + 1 (n,) of the wanted windows of a whole line."""
    steps = np.arange(part.start, part.stop + 1) * length  # (n + 1,)
    return steps[:-1] // size, -(-steps[1:] // size)


def _compute_windows(low: Indices, high: Indices, size: int) -> tuple[Indices, Indices]:
    """Return first and last + 1 (N, size) of the windows of segments [low, high) (N,)."""
    steps = np.arange(size + 1) * (high - low)[:, None]  # (N, size + 1)
    first = low[:, None] + steps[:, :-1] // size  # (N, size)
    return first, low[:, None] - (-steps[:, 1:] // size)  # ceil


def _unpack_averages(packed: NDArray[np.uint64], counts: Indices) -> FloatPixels:
    """Return the averages (…, 3) of packed sums (…) over counts (…) of pixels."""
    pixels = np.empty((*packed.shape, 3), np.float32)
    shares = np.float32(1) / counts.astype(np.float32)  # (…)
    for channel in range(3):
        np.multiply(
            _unpack_channel(packed, channel).astype(np.float32), shares, out=pixels[..., channel]
        )
    return pixels


def _unpack_channel(packed: NDArray[np.uint64], channel: int) -> NDArray[np.int32]:
    """Return one of the packed sums (…) as int32, which vector units convert to floats."""
    sums = (packed >> np.uint64(CHANNEL_BITS * channel)).astype(np.int32)  # (…)
    sums &= CHANNEL_MASK
    return sums


def _average_large_windows(
    sums: IntegralImage, top: Indices, bottom: Indices, left: Indices, right: Indices
) -> FloatPixels:
    """Return averages (h, w, 3) over windows of any size, in parts that unpack."""
    y_low, y_high, y_first = _split_segments(top, bottom)  # (K,), (K,), (h,)
    x_low, x_high, x_first = _split_segments(left, right)  # (M,), (M,), (w,)
    strips = sums[y_high] - sums[y_low]  # (K, W + 1)
    packed = strips[:, x_high] - strips[:, x_low]  # (K, M)
    parts = np.stack(
        [_unpack_channel(packed, channel) for channel in range(3)], axis=-1
    )  # (K, M, 3)
    lines = np.add.reduceat(parts.astype(np.int64), y_first, axis=0)  # (h, M, 3)
    totals = np.add.reduceat(lines, x_first, axis=1)  # (h, w, 3)
    counts = (bottom - top)[:, None, None] * (right - left)[:, None]  # (h, w, 1)
    averages: FloatPixels = (totals / counts).astype(np.float32)  # (h, w, 3)
    return averages


def _split_segments(low: Indices, high: Indices) -> tuple[Indices, Indices, Indices]:
    """Return segments [low, high) (n,) cut to ``PART_SIDE_PX``: ends, and each first one."""
    numbers = -(-(high - low) // PART_SIDE_PX)  # (n,)
    first = np.cumsum(numbers) - numbers  # (n,)
    index = np.arange(numbers.sum()) - np.repeat(first, numbers)  # (K,)
    start = np.repeat(low, numbers) + PART_SIDE_PX * index  # (K,)
    return start, np.minimum(start + PART_SIDE_PX, np.repeat(high, numbers)), first
