"""Calibrates scores and boxes of different models to one scale.

A confidence is the share of similar detections that are faces, estimated by a logistic model of
the outputs of the networks. Its weights, and the offsets of each model's boxes, were fitted on
photographs (``models/router.toml``).
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_area, box_iou
from phiz.faces import Boxes, Scores
from phiz.models.router_config import BoxCalibration, CrowdPrior, LogisticWeights

Features: TypeAlias = NDArray[np.float32]
"""(N, E), one column for each weight."""

# Scores become log odds, limited to this range because no score is more certain.
MIN_PROBABILITY, MAX_PROBABILITY = 1e-4, 1 - 1e-6
NEUTRAL_SCORE = 0.05  # score at which the first pass is neutral
MATCH_IOU = 0.35  # at least: the first pass and the cascade found the same face
SEPARATE_IOU = 0.3  # below: they found different faces
# Logarithm of a face's share of the image side. Below e⁻⁴ it is too small for any first pass.
# Above e⁻¹·⁵ every first pass should find it.
MIN_LOG_SIZE, LOG_SIZE_SPAN = -4.0, 2.5


def calibrate_scores(features: Features, weights: LogisticWeights) -> Scores:
    """Return the confidences (N,) of features (N, E), 0 to 1."""
    coefficients = np.array(weights.coefficients, np.float32)  # (E,)
    # OpenBLAS at times leaves the flag of an invalid operation behind finite products (numpy
    # issue 24067); features are finite, and a NaN among them would still be seen in the result.
    with np.errstate(invalid="ignore"):
        odds = features @ coefficients + np.float32(weights.bias)  # (N,)
    probabilities: Scores = np.float32(1) / (
        np.float32(1) + np.exp(-np.clip(odds, -80, 80))
    )  # (N,)
    return probabilities


def accept_faces(scores: Scores, min_score: float, crowd_prior: CrowdPrior) -> NDArray[np.bool_]:
    """Return whether each face (N,) of an image passes the default limit, (N,).

    The limit of a face is ``min_score``, lowered by the confidences of the other faces: faces
    often appear in groups, false alarms alone.

    Args:
        scores: (N,), confidences.
        min_score: Limit of a single face.
        crowd_prior: Weight of the other faces.
    """
    others = np.clip(scores.sum() - scores, 0, crowd_prior.max_others)  # (N,)
    bonus = np.float32(crowd_prior.slope) * np.log1p(others)  # (N,)
    limit = compute_log_odds(np.array(min_score, np.float32))
    accepted: NDArray[np.bool_] = compute_log_odds(scores) + bonus >= limit  # (N,)
    return accepted


def compute_log_odds(scores: Scores) -> Scores:
    """Return scores (…) as log odds (…)."""
    clipped = np.clip(scores, np.float32(MIN_PROBABILITY), np.float32(MAX_PROBABILITY))
    odds: Scores = np.log(clipped / (1 - clipped))
    return odds


def compute_first_pass_features(boxes: Boxes, scores: Scores, size_wh: tuple[int, int]) -> Features:
    """Return the features (N, 2) of boxes (N, 4) and scores (N,) of the first pass."""
    return np.stack([compute_log_odds(scores), _compute_log_sizes(boxes, size_wh)], axis=1)


def compute_cascade_features(
    boxes: Boxes, scores: NDArray[np.float32], first_pass_scores: Scores, size_wh: tuple[int, int]
) -> Features:
    """Return the features (N, 5) of the cascade's boxes (N, 4).

    Args:
        boxes: (N, 4), calibrated.
        scores: (N, 3), of P-, R- and O-Net.
        first_pass_scores: (N,), the first pass's score for the same face, 0 where it saw none.
        size_wh: Of the image.
    """
    nothing = np.full(len(first_pass_scores), NEUTRAL_SCORE, np.float32)  # (N,)
    seen = compute_log_odds(np.maximum(first_pass_scores, nothing))  # (N,)
    hint = seen - compute_log_odds(nothing)  # (N,)
    large = np.clip(_compute_log_sizes(boxes, size_wh) - MIN_LOG_SIZE, 0, LOG_SIZE_SPAN)  # (N,)
    missed_size = np.where(first_pass_scores > 0, np.float32(0), large)  # (N,)
    return np.concatenate([compute_log_odds(scores), np.stack([hint, missed_size], axis=1)], axis=1)


def match_first_pass(
    boxes: Boxes, first_pass_boxes: Boxes, scores: Scores
) -> tuple[Scores, NDArray[np.bool_]]:
    """Return the first pass's scores for boxes (N, 4), and which of its own boxes match none.

    Args:
        boxes: (N, 4), of the cascade.
        first_pass_boxes: (G, 4), of the first pass.
        scores: (G,), of the first pass.

    Returns:
        The best score (N,) for the same face, or 0; and (G,), true for boxes without a match.
    """
    if not len(boxes) or not len(first_pass_boxes):
        return np.zeros(len(boxes), np.float32), np.ones(len(first_pass_boxes), bool)
    overlaps = np.stack([box_iou(box, boxes) for box in first_pass_boxes])  # (G, N)
    matches = np.where(overlaps > MATCH_IOU, scores[:, None], np.float32(0))  # (G, N)
    return matches.max(axis=0), overlaps.max(axis=1) < SEPARATE_IOU


def calibrate_boxes(boxes: Boxes, model: str, calibrations: Mapping[str, BoxCalibration]) -> Boxes:
    """Return a model's boxes (N, 4) with their edges moved to where people label them."""
    calibration = calibrations[model]
    first = np.array([calibration.first_px, calibration.first_px, 0, 0], np.float32)
    boxes = boxes - first
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)  # (N, 4): width, height, width, height
    calibrated: Boxes = boxes + sides * np.array(calibration.edge_offsets, np.float32)
    return calibrated


def compute_sides(boxes: Boxes) -> Scores:
    """Return the sides (N,) of squares as large as boxes (N, 4), at least 1 pixel."""
    sides: Scores = np.sqrt(np.maximum(box_area(boxes), np.float32(1)))
    return sides


def _compute_log_sizes(boxes: Boxes, size_wh: tuple[int, int]) -> Scores:
    """Return the logarithm (N,) of the share of the image side of boxes (N, 4)."""
    width, height = size_wh
    log_sizes: Scores = np.log(compute_sides(boxes) / np.float32(np.sqrt(width * height)))
    return log_sizes
