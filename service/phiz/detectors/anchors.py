"""Anchors of the BlazeFace networks: the centres of the cells of their output grids.

MediaPipe's SSD anchor calculator with ``fixed_anchor_size`` makes every anchor as large as the
input, so only the centres matter. Source: ``ssd_anchors_calculator.cc`` and
``face_detection_*.pbtxt`` in google-ai-edge/mediapipe.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Anchors = NDArray[np.float32]
"""(A, 2), x y of the centres, 0 to 1 over the input."""

# Cells per side and anchors per cell of each output grid, in the order of the outputs.
GRIDS_896 = ((16, 2), (8, 6))  # front and back: strides 8 and 3 × 16 (of 128), two anchors each
GRIDS_2304 = ((48, 1),)  # full range: stride 4 (of 192), one anchor per cell


def build_anchors(grids: Iterable[tuple[int, int]]) -> Anchors:
    """Return the centres (A, 2) of square grids given as (cells a side, anchors a cell)."""
    centres: Anchors = np.concatenate([_build_grid_centres(*grid) for grid in grids]).astype(
        np.float32
    )
    return centres  # (A, 2)


def _build_grid_centres(cells: int, repeats: int) -> NDArray[np.float64]:
    centres = (np.arange(cells) + 0.5) / cells  # (C,)
    y, x = np.meshgrid(centres, centres, indexing="ij")  # (C, C) each
    return np.stack([x, y], axis=-1).reshape(-1, 2).repeat(repeats, axis=0)  # (C·C·repeats, 2)
