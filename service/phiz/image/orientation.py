"""Exif orientations: turns pixels, sizes and points of an image upright, and back."""

import numpy as np
from numpy.typing import NDArray

from phiz.image.pixels import PackedPixels

UPRIGHT_EXIF = 1
"""Exif orientation of an image that is not turned."""

# Operations on the stored rows and columns by Exif orientation, the transposition first.
TRANSPOSED = (5, 6, 7, 8)

FLIPPED_X = (2, 3, 6, 7)
FLIPPED_Y = (3, 4, 7, 8)


def apply_orientation(pixels: PackedPixels, orientation: int) -> PackedPixels:
    """Return packed pixels (H, W) turned upright by their Exif orientation (Exif 2.32, 4.6.4).

    The result is a view. A copy of a large image costs more time than its strided use, and memory.
    """
    if orientation in TRANSPOSED:
        pixels = pixels.T  # then what was first in x is first in y
    down = -1 if orientation in FLIPPED_Y else 1
    across = -1 if orientation in FLIPPED_X else 1
    return pixels[::down, ::across]


def to_upright_size(size_wh: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height upright."""
    return size_wh[::-1] if orientation in TRANSPOSED else size_wh


def compute_upright_origin(overhang_xy: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the corner of the first word after turning, given the overhang at the far ends.

    A flipped side starts with its overhang.
    """
    x, y = to_upright_size(overhang_xy, orientation)
    return (-x if orientation in FLIPPED_X else 0, -y if orientation in FLIPPED_Y else 0)


def to_stored_points(
    points: NDArray[np.floating], size_wh: tuple[int, int], orientation: int
) -> NDArray[np.float64]:
    """Return points (N, 2) of an upright image in pixels of the stored image.

    Args:
        points: x y, pixels of the upright image.
        size_wh: Width and height as stored.
        orientation: Exif orientation of the stored image, 1 to 8.
    """
    width, height = to_upright_size(size_wh, orientation)
    x, y = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)  # (N,) each
    across = width - x if orientation in FLIPPED_X else x
    down = height - y if orientation in FLIPPED_Y else y
    pair = (down, across) if orientation in TRANSPOSED else (across, down)
    return np.stack(pair, axis=1)  # (N, 2)
