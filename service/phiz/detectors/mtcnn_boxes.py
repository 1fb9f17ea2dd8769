"""MTCNN's pixel convention: pixels count from 1, and the last one is included.

Only this module implements it. The networks of facenet-pytorch 2.6.0
(``models/utils/detect_face.py``) were trained with two conventions of the original: a width is
``x2 - x1 + 1`` (``INCLUSIVE_SIDE``), and a crop covers ``x1 - 1`` to ``x2``.
"""

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.blending import blend_around
from phiz.boxes.geometry import box_area, expand_to_squares
from phiz.boxes.nms import nms_by_shared_area
from phiz.faces import Boxes, Indices, Keypoints, Scores
from phiz.image.integral import Regions

INCLUSIVE_SIDE = np.float32(1)
TO_HALF_OPEN = np.array([0, 0, 1, 1], np.float32)  # inclusive boxes are larger by this
EXCLUSIVE_SIDE = np.float32(0)  # P-Net's regressions are in units of x2 - x1
# O-Net's boxes of one face, which the original suppresses, vote for the best one from this IoU on.
VOTE_IOU = 0.3


def apply_regressions(boxes: Boxes, regressions: Boxes, extra_side: np.float32) -> Boxes:
    """Return boxes (N, 4) moved by regressions (N, 4) in units of their sides."""
    sides = boxes[:, 2:] - boxes[:, :2] + extra_side  # (N, 2)
    moved: Boxes = boxes + regressions * np.tile(sides, 2)  # (N, 4)
    return moved


def refine_to_squares(boxes: Boxes, regressions: Boxes, extra_side: np.float32) -> Boxes:
    """Return boxes (N, 4) moved by regressions (N, 4) and widened to squares."""
    return expand_to_squares(apply_regressions(boxes, regressions, extra_side))


def compute_inside_regions(boxes: Boxes, shape_hw: tuple[int, int]) -> tuple[Boxes, Regions]:
    """Return the boxes (M, 4) that meet the image, and their crops (M, 4)."""
    regions, is_inside = compute_regions(boxes, shape_hw)  # (M, 4), (M,)
    return boxes[is_inside], regions[is_inside]


def compute_regions(boxes: Boxes, shape_hw: tuple[int, int]) -> tuple[Regions, NDArray[np.bool_]]:
    """Return the crops (M, 4) of boxes (M, 4), and which are not empty, (M,)."""
    height, width = shape_hw
    regions = np.trunc(boxes).astype(np.intp)  # (M, 4)
    low = np.maximum(regions[:, :2], 1) - 1  # (M, 2)
    high = np.minimum(regions[:, 2:], [width, height])  # (M, 2)
    is_inside = np.logical_and(high[:, 0] > low[:, 0], high[:, 1] > low[:, 1])  # (M,)
    return np.concatenate([low, high], axis=1), is_inside


def nms_min(boxes: Boxes, scores: Scores, limit: float) -> Indices:
    """Return the indices (K,) that suppression by the smaller box keeps.

    Equal scores are common near 1. The last one leads, as in facenet-pytorch.

    Args:
        boxes: (N, 4), inclusive.
        scores: (N,).
        limit: Limit of the intersection over the smaller area, 0 to 1.
    """
    last_first = boxes[::-1] + TO_HALF_OPEN  # (N, 4)
    kept = nms_by_shared_area(last_first, scores[::-1], limit * box_area(last_first))  # (K,)
    return len(boxes) - 1 - kept


def blend_inclusive(
    boxes: Boxes, keypoints: Keypoints, scores: Scores, leaders: Indices
) -> tuple[Boxes, Keypoints]:
    """Return the leaders (K,) of inclusive boxes (N, 4) as means of the predictions around them."""
    means, points = blend_around(boxes + TO_HALF_OPEN, keypoints, scores, leaders, VOTE_IOU)
    return means - TO_HALF_OPEN, points
