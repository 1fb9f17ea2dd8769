"""Integral images: the average of any window of an image from its four corners.

Three channel sums share one uint64, 21 bits each (the last one 22). Their differences are exact
modulo 2⁶⁴. A window of up to 8224 pixels (8224 · 255 < 2²¹) therefore unpacks without carries,
however large the image. One integral serves all pyramid levels and all crops.

Source: Crow 1984 (summed-area tables). The windows are those of adaptive average pooling,
``floor(i · n / m)`` to ``ceil((i + 1) · n / m)``, as in facenet-pytorch's ``imresample``.
"""

from itertools import pairwise, product
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
# From this width on, rows are added one by one: numpy's cumulative sum goes down each column.
MIN_ROW_PIXELS = 256


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
        _accumulate_rows(block)
    return sums


def _accumulate_rows(block: IntegralImage) -> None:
    """Add to each row of a block (B, C) all rows above it."""
    if block.shape[1] < MIN_ROW_PIXELS:
        np.cumsum(block, axis=0, out=block)
        return
    for above, row in pairwise(block):
        np.add(row, above, out=row)


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
    heights, widths = bottom - top, right - left  # (r,), (c,)
    if heights.max() * widths.max() > MAX_WINDOW_PX:
        return _average_large_windows(sums, top, bottom, left, right)
    # Only the columns from the first window to the last, which are often not all.
    part = sums[:, left[0] : right[-1] + 1]  # (H + 1, W')
    strips = part[bottom]  # (r, W')
    strips -= part[top]
    packed = strips.take(right - left[0], axis=1)  # (r, c)
    packed -= strips.take(left - left[0], axis=1)
    counts = heights.astype(np.float32)[:, None] * widths.astype(np.float32)  # (r, c)
    return _unpack_averages(packed, counts)  # (r, c, 3)


def resize_regions(sums: IntegralImage, regions: Regions, size: int) -> FloatPixels:
    """Return regions (N, 4) of an image averaged to (N, size, size, 3)."""
    corners = _compute_corners(regions, size)  # (2, N, 2 * size)
    columns, rows = corners  # (N, 2 * size) each
    index = (rows * sums.shape[1])[:, :, None] + columns[:, None]  # (N, 2 * size, 2 * size)
    found = sums.ravel().take(index)
    lines = found[:, size:] - found[:, :size]  # (N, size, 2 * size)
    packed = lines[..., size:] - lines[..., :size]  # (N, size, size)
    widths, heights = (corners[..., size:] - corners[..., :size]).astype(np.float32)  # (N, size)
    counts = heights[:, :, None] * widths[:, None]  # (N, size, size)
    pixels = _unpack_averages(packed, counts)  # (N, size, size, 3)
    largest = heights.max(axis=1, initial=0) * widths.max(axis=1, initial=0)  # (N,)
    for number in np.flatnonzero(largest > MAX_WINDOW_PX):
        left, right = np.split(columns[number], 2)
        top, bottom = np.split(rows[number], 2)
        pixels[number] = _average_large_windows(sums, top, bottom, left, right)
    return pixels


def _compute_tile_windows(length: int, size: int, part: range) -> tuple[Indices, Indices]:
    """Return first and last + 1 (n,) of the wanted windows of a whole line."""
    steps = np.arange(part.start, part.stop + 1) * length  # (n + 1,)
    return steps[:-1] // size, -(-steps[1:] // size)


def _compute_corners(regions: Regions, size: int) -> Indices:
    """Return first and last + 1 of the windows of regions (N, 4): (2, N, 2 * size), x and y."""
    low, high = regions[:, :2].T, regions[:, 2:].T  # (2, N) each
    steps = (high - low)[..., None] * np.arange(size + 1)  # (2, N, size + 1)
    corners = np.empty((*low.shape, 2 * size), np.intp)
    np.floor_divide(steps[..., :-1], size, out=corners[..., :size])
    np.floor_divide(steps[..., 1:] + (size - 1), size, out=corners[..., size:])  # rounded up
    corners += low[..., None]
    return corners


def _unpack_averages(packed: NDArray[np.uint64], counts: NDArray[np.float32]) -> FloatPixels:
    """Return the averages (…, 3) of packed sums (…) over counts (…) of pixels.

    The sums are overwritten.
    """
    pixels = np.empty((*packed.shape, 3), np.float32)
    shares = np.reciprocal(counts)  # (…)
    for channel in range(3):
        if channel:
            packed >>= np.uint64(CHANNEL_BITS)
        sums = packed.astype(np.int32)  # (…), which vector units convert to floats
        sums &= CHANNEL_MASK
        np.multiply(sums.astype(np.float32), shares, out=pixels[..., channel])
    return pixels


def _unpack_channel(packed: NDArray[np.uint64], channel: int) -> NDArray[np.int32]:
    """Return one of the packed sums (…)."""
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
