"""Scores of different networks as confidences on one scale.

A confidence is the share of similar candidates that are faces, estimated by a logistic model of the
scores of the networks and of the size. Its weights were fitted on photographs
(``models/router.toml``).
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_area
from phiz.faces import Boxes, Scores
from phiz.models.router_config import CrowdPrior, LogisticWeights

Features: TypeAlias = NDArray[np.float32]
"""(N, E), one column for each weight."""

# Scores become log odds, limited to this range because no score is more certain.
MIN_PROBABILITY: Final = 1e-4
MAX_PROBABILITY: Final = 1 - 1e-6
MIDDLE_LOG_SIDE: Final = np.float32(3)  # of the logarithms of sides in pixels, e³ is 20
# O-Net sees 48 pixels of a face. Its score of one below e³·² = 25 pixels counts less.
SHARP_LOG_SIDE: Final = np.float32(3.2)


def compute_confidences(
    boxes: Boxes,
    scores: Scores,
    onet_scores: Scores | None,
    scale: float,
    weights: LogisticWeights,
) -> Scores:
    """Return the confidences (N,) of candidates, 0 to 1.

    Args:
        boxes: (N, 4), pixels of the image.
        scores: (N,), of the network that found them.
        onet_scores: (N,), of O-Net; None if it was not asked.
        scale: Pixels of the image for one of the network's input.
        weights: Of this network, or of O-Net if it was asked.
    """
    features = compute_features(boxes, scores, onet_scores, scale)
    odds = features @ np.array(weights[1:], np.float32) + np.float32(weights[0])  # (N,)
    return compute_probabilities(odds)


def compute_features(
    boxes: Boxes, scores: Scores, onet_scores: Scores | None, scale: float
) -> Features:
    """Return the features (N, E) of candidates: E is 6, or 4 without O-Net; see above."""
    log_sides = np.log(compute_sides(boxes))  # (N,), in pixels of the image
    seen = log_sides - np.float32(np.log(scale)) - MIDDLE_LOG_SIDE  # (N,), as the network saw them
    columns = [compute_log_odds(scores)]
    if onet_scores is not None:
        confirmed = compute_log_odds(onet_scores)  # (N,)
        columns += [confirmed, confirmed * np.clip(SHARP_LOG_SIDE - log_sides, 0, 2)]
    columns += [seen, seen * seen, np.clip(log_sides - MIDDLE_LOG_SIDE, -2, 2)]
    return np.stack(columns, axis=1).astype(np.float32)


def accept_faces(
    confidences: Scores, min_score: float, crowd_prior: CrowdPrior
) -> NDArray[np.bool_]:
    """Return whether each candidate (N,) of an image passes the default limit, (N,).

    The limit of a face is ``min_score``, lowered by the other sure faces: faces often appear in
    groups, false alarms alone.

    Args:
        confidences: (N,), one of each face.
        min_score: Limit of a single face.
        crowd_prior: Weight of the other faces.
    """
    counted = np.where(confidences >= crowd_prior.min_confidence, confidences, np.float32(0))
    others = np.clip(counted.sum() - counted, 0, crowd_prior.max_others)  # (N,)
    bonus = np.float32(crowd_prior.slope) * np.log1p(others)  # (N,)
    limit = compute_log_odds(np.array(min_score, np.float32))
    accepted: NDArray[np.bool_] = compute_log_odds(confidences) + bonus >= limit  # (N,)
    return accepted


def compute_log_odds(scores: Scores) -> Scores:
    """Return scores (…) as log odds (…)."""
    clipped = np.clip(scores, np.float32(MIN_PROBABILITY), np.float32(MAX_PROBABILITY))
    odds: Scores = np.log(clipped / (1 - clipped))
    return odds


def compute_probabilities(odds: Scores) -> Scores:
    """Return log odds (…) as probabilities (…)."""
    probabilities: Scores = np.float32(1) / (np.float32(1) + np.exp(-np.clip(odds, -80, 80)))
    return probabilities


def compute_sides(boxes: Boxes) -> Scores:
    """Return the sides (N,) of squares as large as boxes (N, 4), at least 1 pixel."""
    sides: Scores = np.sqrt(np.maximum(box_area(boxes), np.float32(1)))
    return sides
