"""Arithmetic of boxes and the letterbox transform.

Boxes are ``xyxy``, float32, half-open (width = x2 - x1), as in ``phiz.faces``. This module does
not depend on pixel values or scores.
"""

from dataclasses import dataclass, replace

import numpy as np

from phiz.faces import Boxes, Keypoints, Scores

SMALLEST_AREA = np.finfo(np.float32).tiny  # of a union, by which an intersection is divided


def box_area(boxes: Boxes) -> Scores:
    """Return the areas (…,) of boxes (…, 4). An inverted box has area 0."""
    # One corner after the other: rows of two numbers take numpy several times as long.
    widths = np.maximum(boxes[..., 2] - boxes[..., 0], 0)  # (…,)
    areas: Scores = widths * np.maximum(boxes[..., 3] - boxes[..., 1], 0)  # (…,)
    return areas


def compute_shorter_sides(boxes: Boxes) -> Scores:
    """Return the shorter sides (N,) of boxes (N, 4). Those of an inverted box are negative."""
    sides: Scores = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])  # (N,)
    return sides


def compute_intersections(box: Boxes, boxes: Boxes) -> Scores:
    """Return the shared areas (N,) of one box (4,) with each of boxes (N, 4).

    Several boxes (G, 1, 4) give areas (G, N).
    """
    # Corners before boxes: rows of two numbers take numpy several times as long.
    if box.ndim == 1:
        own, others = box[:, None], boxes.T  # (4, 1), (4, N)
    else:
        # Contiguous, which takes a sixth of the time of columns that are four numbers apart.
        own, others = box.transpose(2, 0, 1), boxes.T.copy()[:, None]  # (4, G, 1), (4, 1, N)
    sides = np.minimum(own[2:], others[2:])  # (2, …, N)
    sides -= np.maximum(own[:2], others[:2])
    np.fmax(sides, 0, out=sides)  # also of NaN
    shared: Scores = sides[0] * sides[1]  # (…, N)
    return shared


def box_iou(box: Boxes, boxes: Boxes) -> Scores:
    """Return the intersection over union (N,) of one box (4,) with each of boxes (N, 4).

    Several boxes (G, 1, 4) give overlaps (G, N). Two boxes without area have an IoU of 0, not NaN.
    """
    shared = compute_intersections(box, boxes)  # (…, N)
    union = box_area(box) + box_area(boxes)  # (…, N)
    union -= shared
    overlaps: Scores = shared / np.fmax(union, SMALLEST_AREA)  # (…, N)
    return overlaps


def clip_boxes(boxes: Boxes, width: int, height: int) -> Boxes:
    """Return boxes (N, 4) clipped to an image. A box outside has no area."""
    corner = np.array([width, height, width, height], np.float32)
    return np.minimum(np.maximum(boxes, np.float32(0)), corner)


def expand_to_squares(boxes: Boxes) -> Boxes:
    """Return boxes (N, 4) with the shorter side widened to the longer, centres kept."""
    sides = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    longer = sides.max(axis=1, keepdims=True)  # (N, 1)
    low = boxes[:, :2] + sides * np.float32(0.5) - longer * np.float32(0.5)  # (N, 2)
    return np.concatenate([low, low + longer], axis=1)  # (N, 4)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """An image scaled to fit a square, centred, with bars on both sides.

    Points of both frames are continuous, with the origin at the outer corner of the first
    pixel: ``square = (image + bar) / scale``.

    Attributes:
        size: Side of the square, pixels.
        scale: Pixels of the image for one of the square.
        pad_x_px: Width of the left bar, pixels of the image.
        pad_y_px: Height of the upper bar, pixels of the image.
    """

    size: int
    scale: float
    pad_x_px: float
    pad_y_px: float

    @classmethod
    def fit(cls, width: int, height: int, size: int) -> "Letterbox":
        """Return the letterbox of an image of width × height in a square of ``size``."""
        longer = max(width, height)
        return cls(size, longer / size, (longer - width) / 2, (longer - height) / 2)

    def shift_by(self, shift_px: float) -> "Letterbox":
        """Return the letterbox of an image moved by some pixels of the square.

        Args:
            shift_px: To the right and down.
        """
        far = shift_px * self.scale
        return replace(self, pad_x_px=self.pad_x_px + far, pad_y_px=self.pad_y_px + far)

    def to_image_points(self, points: Keypoints) -> Keypoints:
        """Return points (…, 2) of the square in pixels of the image."""
        bars = np.array([self.pad_x_px, self.pad_y_px], np.float32)
        return points * np.float32(self.scale) - bars
