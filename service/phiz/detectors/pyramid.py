"""The image pyramid of P-Net, and its cells as boxes of the image.

Each cell of P-Net sees 12 × 12 pixels of a level, two pixels from the next cell. Source of the
arithmetic: facenet-pytorch 2.6.0, ``models/utils/detect_face.py``.
"""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.nms import filter_overlapping_pairs, nms, suppress_pairs
from phiz.faces import Boxes, Indices, Scores

Cells: TypeAlias = NDArray[np.intp]
"""(N, 2), column and row of P-Net's output."""

CELL_PX = 12  # pixels of a level that a cell sees, each way
STRIDE_PX = 2  # pixels of a level between cells
CELL_EXTENT_PX = CELL_PX - 1  # of a cell's box, pixels of a level: from 2x + 1 to 2x + 12
# Maximum cells of a tile, and cells per row. Intermediate results stay in the cache, and memory
# stays bounded for images of any size and shape.
TILE_CELLS = 12_288
TILE_COLUMNS = 512
# A larger level would take seconds. Only a tiny min_face on a large image needs one: the default
# of 20 px allows images of 69 megapixels.
MAX_LEVEL_PIXELS = 25_000_000
# Rounding distorts boxes smaller than this, in pixels of the image, so much that distant cells
# may overlap.
MIN_GRID_BOX_PX = 8
NO_INDICES: Indices = np.empty(0, np.intp)


def compute_scales(height: int, width: int, min_face: float, factor: float) -> list[float]:
    """Return the scales at which faces of ``min_face`` pixels and larger have P-Net's 12 pixels.

    The largest level has at most ``MAX_LEVEL_PIXELS``.
    """
    scale = min(CELL_PX / min_face, math.sqrt(MAX_LEVEL_PIXELS / (height * width)))
    scales = []
    while min(height, width) * scale >= CELL_PX:
        scales.append(scale)
        scale *= factor
    return scales


def split_into_tiles(
    shape_hw: tuple[int, int],
) -> Iterator[tuple[tuple[int, int], tuple[range, range]]]:
    """Yield the tiles of a level: the first column and row of P-Net's cells, and their pixels.

    The pixels are rows and columns of the level.
    """
    height, width = shape_hw
    columns = list(_split_side(width, TILE_COLUMNS))
    rows = _split_side(height, TILE_CELLS // min(_count_cells(width), TILE_COLUMNS))
    for top, row_range in rows:
        for left, column_range in columns:
            yield (left, top), (row_range, column_range)


def _split_side(side: int, length: int) -> Iterator[tuple[int, range]]:
    """Yield the first cell of each segment of a level's side, and the segment's pixels."""
    cells = _count_cells(side)
    for first in range(0, cells, length):
        last = min(first + length, cells)
        end = side if last == cells else STRIDE_PX * (last - 1) + CELL_PX
        yield first, range(STRIDE_PX * first, end)


def _count_cells(side: int) -> int:
    """Return the cells on a level's side: a 3 × 3 layer, a pool by 2 (rounded up), two 3 × 3."""
    return -(-(side - 2) // STRIDE_PX) - 4


def compute_cell_boxes(cells: Cells, scale: float) -> Boxes:
    """Return the boxes (N, 4) of cells (N, 2) of a level, pixels of the image.

    The arithmetic is float32, because float64 rounds some boxes to other pixels than
    facenet-pytorch.
    """
    corners = STRIDE_PX * cells.astype(np.float32) + 1  # (N, 2)
    corners = np.concatenate([corners, corners + CELL_EXTENT_PX], axis=1)  # (N, 4)
    boxes: Boxes = np.floor(corners / np.float32(scale))  # (N, 4)
    return boxes


def suppress_cells(
    cells: Cells, boxes: Boxes, scores: Scores, scale: float, limit: float
) -> Indices:
    """Return the cells (K,) of a level that suppression keeps, by falling score.

    The boxes of a level have one size and lie on a grid, so only near cells can overlap by more
    than the limit. Only those pairs are compared. The result is that of greedy suppression.

    Args:
        cells: (N, 2).
        boxes: (N, 4), of these cells.
        scores: (N,).
        scale: Scale of the level.
        limit: IoU above which the lower score is removed.
    """
    if scale * MIN_GRID_BOX_PX > CELL_EXTENT_PX or not len(cells):
        return nms(boxes, scores, limit)
    offsets = _find_overlapping_offsets(scale, limit)
    reach = max((dx for dx, _ in offsets), default=0)
    stride = int(cells[:, 0].max()) + 1 + 2 * reach
    positions = (cells[:, 1] + reach) * stride + cells[:, 0] + reach  # (N,) in a padded grid
    grid = np.full(int(positions.max()) + (reach + 1) * stride, -1, np.intp)
    grid[positions] = np.arange(len(cells))
    first, second = [NO_INDICES], [NO_INDICES]
    for dx, dy in offsets:
        neighbours = grid[positions + dy * stride + dx]  # (N,), -1 where there is none
        present = np.flatnonzero(neighbours >= 0)
        first.append(present)
        second.append(neighbours[present])
    pairs = filter_overlapping_pairs(boxes, np.concatenate(first), np.concatenate(second), limit)
    return suppress_pairs(pairs, scores)


def _find_overlapping_offsets(scale: float, limit: float) -> list[tuple[int, int]]:
    """Return the offsets (dx, dy) of cells that may overlap too much, one per opposite pair.

    Rounding moves every edge by less than one pixel of the image.
    """
    side, step = CELL_EXTENT_PX / scale, STRIDE_PX / scale
    reach = math.ceil(side / step)
    near = []
    for dy in range(reach + 1):
        for dx in range(-reach if dy else 1, reach + 1):
            width, height = side - abs(dx) * step + 1, side - dy * step + 1
            if width <= 0 or height <= 0:
                continue
            shared = width * height  # at most
            if shared > limit * (2 * (side - 1) ** 2 - shared):
                near.append((dx, dy))
    return near


def can_levels_overlap(scales: list[float], limit: float) -> bool:
    """Return whether boxes of two levels can have an IoU above the limit.

    The IoU is at most the ratio of their areas, the smaller rounded up, the larger down.
    """
    return any(
        (CELL_EXTENT_PX / larger + 1) ** 2 > limit * max(CELL_EXTENT_PX / smaller - 1, 0) ** 2
        for larger, smaller in pairwise(scales)
    )
