"""One scale of scores and one convention of boxes for detections of different models.

A confidence is the share of detections like it that are faces, as a logistic model of what
the networks say puts it. Its weights, and how each model's boxes lie about a face, were
fitted on photographs (``models/router.toml``).
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import area, iou
from phiz.faces import Boxes, Scores
from phiz.models.router_config import CompanyRule, Convention, Weights

Evidence: TypeAlias = NDArray[np.float32]
"""(N, E), one column for each weight."""

# Scores are taken as log odds, of no less and no more than these: nothing is that certain.
LEAST, MOST = 1e-4, 1 - 1e-6
HINT = 0.05  # score at which a glance says nothing either way
SEEN_IOU = 0.35  # from which on a glance and the cascade have found the same face
APART_IOU = 0.3  # below which they have found different ones
# Log share of the picture's side: a face of less than e⁻⁴ is too small for any glance, and one
# of more than e⁻¹·⁵ should have been seen by all.
SMALLEST, SPAN = -4.0, 2.5


def confidence(evidence: Evidence, weights: Weights) -> Scores:
    """Return how sure the evidence (N, E) makes of a face, (N,), 0 to 1."""
    odds = evidence @ np.array(weights.evidence, np.float32) + np.float32(weights.bias)  # (N,)
    sure: Scores = np.float32(1) / (np.float32(1) + np.exp(-np.clip(odds, -80, 80)))  # (N,)
    return sure


def shown(scores: Scores, min_score: float, company: CompanyRule) -> NDArray[np.bool_]:
    """Return which of all the faces (N,) of a picture pass its default limit, (N,).

    The limit of a face is ``min_score``, less its share of company: for each face the others
    count by their confidences, because faces come in numbers and false alarms alone.

    Args:
        scores: (N,), their confidences.
        min_score: Limit of a face without others.
        company: How much others count.
    """
    others = np.clip(scores.sum() - scores, 0, company.most)  # (N,)
    evidence = log_odds(scores) + np.float32(company.slope) * np.log1p(others)  # (N,)
    passed: NDArray[np.bool_] = evidence >= log_odds(np.array(min_score, np.float32))
    return passed


def log_odds(scores: Scores) -> Scores:
    """Return scores (…) as log odds (…)."""
    clipped = np.clip(scores, np.float32(LEAST), np.float32(MOST))
    odds: Scores = np.log(clipped / (1 - clipped))
    return odds


def glance_evidence(boxes: Boxes, scores: Scores, size_wh: tuple[int, int]) -> Evidence:
    """Return the evidence (N, 2) of a glance's boxes (N, 4) and scores (N,)."""
    return np.stack([log_odds(scores), _log_shares(boxes, size_wh)], axis=1)


def cascade_evidence(
    boxes: Boxes, scores: NDArray[np.float32], seen: Scores, size_wh: tuple[int, int]
) -> Evidence:
    """Return the evidence (N, 5) of the cascade's boxes (N, 4).

    Args:
        boxes: (N, 4), in the common convention.
        scores: (N, 3), of P-, R- and O-Net.
        seen: (N,), a glance's score for the same face, 0 where it saw none.
        size_wh: Of the picture.
    """
    nothing = np.full(len(seen), HINT, np.float32)  # (N,)
    hint = log_odds(np.maximum(seen, nothing)) - log_odds(nothing)  # (N,)
    large = np.clip(_log_shares(boxes, size_wh) - SMALLEST, 0, SPAN)  # (N,)
    unseen = np.where(seen > 0, np.float32(0), large)  # (N,)
    return np.concatenate([log_odds(scores), np.stack([hint, unseen], axis=1)], axis=1)


def seen_by(boxes: Boxes, glanced: Boxes, scores: Scores) -> tuple[Scores, NDArray[np.bool_]]:
    """Return what a glance says of boxes (N, 4), and which of its own lie apart from them.

    Args:
        boxes: (N, 4), of the cascade.
        glanced: (G, 4), of the glance.
        scores: (G,), its own.

    Returns:
        Its best score (N,) for the same face, 0 without any; and (G,), true where no box is.
    """
    if not len(boxes) or not len(glanced):
        return np.zeros(len(boxes), np.float32), np.ones(len(glanced), bool)
    overlaps = np.stack([iou(box, boxes) for box in glanced])  # (G, N)
    said = np.where(overlaps > SEEN_IOU, scores[:, None], np.float32(0)).max(axis=0)  # (N,)
    return said, overlaps.max(axis=1) < APART_IOU


def in_common(boxes: Boxes, model: str, conventions: Mapping[str, Convention]) -> Boxes:
    """Return a model's boxes (N, 4) with their edges where people draw them."""
    convention = conventions[model]
    first = np.array([convention.first_px, convention.first_px, 0, 0], np.float32)
    boxes = boxes - first
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)  # (N, 4): width, height, width, height
    common: Boxes = boxes + sides * np.array(convention.shares, np.float32)
    return common


def sides_of(boxes: Boxes) -> Scores:
    """Return the sides (N,) of squares as large as boxes (N, 4), at least 1 pixel."""
    sides: Scores = np.sqrt(np.maximum(area(boxes), np.float32(1)))
    return sides


def _log_shares(boxes: Boxes, size_wh: tuple[int, int]) -> Scores:
    """Return the logarithm of the share (N,) of the picture's side that boxes (N, 4) have."""
    width, height = size_wh
    shares: Scores = np.log(sides_of(boxes) / np.float32(np.sqrt(width * height)))
    return shares
