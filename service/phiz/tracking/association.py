"""Which face of a frame is which face of the frames before it.

Boxes are compared by their overlap and the distance of their centres (distance-IoU): Zheng et al.,
"Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression" (2020), equation 5.
"""

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_iou
from phiz.faces import Boxes, Indices, Scores


def compute_affinities(boxes: Boxes, others: Boxes) -> Scores:
    """Return the distance-IoU (M, N) of boxes (M, 4) with other boxes (N, 4).

    It is 1 for equal boxes, 0 or less for boxes that do not overlap, and above -1.
    """
    if not len(boxes) or not len(others):
        return np.zeros((len(boxes), len(others)), np.float32)
    here = boxes[:, None]  # (M, 1, 4)
    low = np.minimum(here[..., :2], others[:, :2])  # (M, N, 2)
    high = np.maximum(here[..., 2:], others[:, 2:])  # (M, N, 2)
    diagonals = _square_lengths(high - low)  # (M, N)
    centres, other_centres = _compute_centres(here), _compute_centres(others)
    distances = _square_lengths(centres - other_centres)  # (M, N)
    share = np.divide(distances, diagonals, out=np.zeros_like(distances), where=diagonals > 0)
    affinities: Scores = box_iou(here, others) - share
    return affinities  # (M, N)


def match_greedily(affinities: Scores, min_affinity: float) -> Indices:
    """Return for each of N columns of affinities (M, N) its row (N,), or -1 if it has none.

    The pair with the highest affinity is matched first. A row has one column at most.

    Args:
        affinities: (M, N).
        min_affinity: Pairs below it are never matched.
    """
    rows = np.full(affinities.shape[1], -1, np.intp)  # (N,)
    is_free = np.ones(affinities.shape[0], bool)  # (M,)
    for place in np.argsort(-affinities, axis=None, kind="stable"):
        row, column = divmod(int(place), affinities.shape[1])
        if affinities[row, column] < min_affinity:
            break
        if is_free[row] and rows[column] < 0:
            rows[column], is_free[row] = row, False
    return rows


def _compute_centres(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    centres: NDArray[np.float32] = (boxes[..., :2] + boxes[..., 2:]) * np.float32(0.5)
    return centres


def _square_lengths(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    squares: NDArray[np.float32] = np.square(vectors).sum(axis=-1)
    return squares
