"""Weighted blending of overlapping predictions, which keeps boxes steady in a video.

It differs from ``blend_reference`` in three ways, so that faces move less when the image moves
slightly:

- Predictions that score too low to lead still vote. No neighbour appears or disappears with its
  whole weight at the score limit.
- The weight of a neighbour is a power of its score times its IoU above the limit. It fades before
  it disappears.
- A neighbour votes for the leader that it overlaps most, not for the best leader in reach. Two
  faces side by side do not pull at each other.

No function changes its input.
"""

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_area, box_iou
from phiz.boxes.nms import (
    compute_pair_intersections,
    find_intersecting_pairs,
    find_leaders,
    group_by_leader,
)
from phiz.faces import Boxes, Indices, Keypoints, Scores

# Exponent of a neighbour's score in its weight. Portraits moved by a few pixels jitter least
# between 0.5 and 1. At 0.5 those of the back camera's network begin to jitter more.
VOTE_EXPONENT = np.float32(0.7)
MIN_LEADER_WEIGHT = np.float32(1e-6)  # of a leader


def blend_reference(
    boxes: Boxes, keypoints: Keypoints, scores: Scores, limit: float
) -> tuple[Boxes, Keypoints, Scores]:
    """Return one prediction for each group: the score-weighted mean of its predictions.

    The tie resolution of BlazeFace (Bazarevsky et al. 2019, section 3.4), which replaces
    suppression, so that small shifts of the image no longer change the winner. The score
    is the leader's, as in MediaPipe (a mean would punish a face for its weaker neighbours).

    Args:
        boxes: (N, 4).
        keypoints: (N, K, 2).
        scores: (N,), not negative.
        limit: IoU above which a box belongs to a leader's group, 0 to 1.

    Returns:
        Boxes (G, 4), keypoints (G, K, 2) and scores (G,), by falling score.
    """
    if not len(boxes):
        return boxes.copy(), keypoints.copy(), scores.copy()
    predictions = np.concatenate(
        [boxes, keypoints.reshape(len(boxes), -1)], axis=1, dtype=np.float64
    )  # (N, 4 + 2K)
    means_by_group, leaders = [], []
    for leader, members in group_by_leader(boxes, scores, limit):
        weights = scores[members].astype(np.float64)  # (M,)
        total = weights.sum()
        if total > 0:
            means_by_group.append(weights @ predictions[members] / total)  # (4 + 2K,)
        else:  # scores of 0 alone: nothing to weigh by
            means_by_group.append(predictions[leader])
        leaders.append(leader)
    means = np.stack(means_by_group).astype(np.float32)  # (G, 4 + 2K)
    return means[:, :4], means[:, 4:].reshape(len(means), *keypoints.shape[1:]), scores[leaders]


def blend_weighted(
    boxes: Boxes, keypoints: Keypoints, scores: Scores, limit: float, min_score: float
) -> tuple[Boxes, Keypoints, Scores]:
    """Return one prediction for each leader: the mean of the predictions nearest to it.

    Args:
        boxes: (N, 4).
        keypoints: (N, K, 2).
        scores: (N,), not negative.
        limit: IoU above which two predictions are of one face, 0 to 1.
        min_score: Least score of a leader.

    Returns:
        Boxes (G, 4), keypoints (G, K, 2) and scores (G,), the leaders', by falling score.
    """
    eligible = np.flatnonzero(scores >= min_score)
    if not len(eligible):
        return boxes[:0].copy(), keypoints[:0].copy(), scores[:0].copy()
    leaders = eligible[find_leaders(boxes[eligible], scores[eligible], limit)]  # (G,)
    overlaps = box_iou(boxes[leaders, None], boxes)  # (G, N)
    order = np.arange(len(leaders))
    votes = scores**VOTE_EXPONENT  # (N,)
    weights = np.maximum(overlaps - np.float32(limit), 0)  # (G, N)
    weights *= votes
    if len(leaders) > 1:
        weights *= overlaps.argmax(axis=0) == order[:, None]  # of the nearest leader alone
    # A leader counts for itself even without area or with a score of 0, so that no group has a
    # weight of 0.
    weights[order, leaders] = np.maximum(np.float32(1 - limit) * votes[leaders], MIN_LEADER_WEIGHT)
    weights /= weights.sum(axis=1, keepdims=True)
    points = weights @ keypoints.reshape(len(boxes), -1)  # (G, 2K)
    return weights @ boxes, points.reshape(-1, *keypoints.shape[1:]), scores[leaders]


def blend_around(
    boxes: Boxes, keypoints: Keypoints, scores: Scores, leaders: Indices, limit: float
) -> tuple[Boxes, Keypoints]:
    """Return for each leader the mean of its nearest predictions, as ``blend_weighted`` does.

    In pairs, so that thousands of leaders take no more memory than their neighbours.

    Args:
        boxes: (N, 4).
        keypoints: (N, K, 2).
        scores: (N,), not negative.
        leaders: (G,), indices.
        limit: IoU from which on a prediction counts, 0 to 1.

    Returns:
        Boxes (G, 4) and keypoints (G, K, 2), in the order of the leaders.
    """
    if not len(leaders):
        return boxes[:0].copy(), keypoints[:0].copy()
    nearest, overlaps = _assign_to_leaders(boxes, leaders)  # (N,) each
    weights = np.maximum(overlaps - limit, 0) * scores.astype(np.float64) ** VOTE_EXPONENT  # (N,)
    weights[leaders] = np.maximum(weights[leaders], MIN_LEADER_WEIGHT)
    neighbours = np.flatnonzero(weights)  # (V,)
    points = np.concatenate([boxes, keypoints.reshape(len(boxes), -1)], axis=1)  # (N, 4 + 2K)
    sums = np.zeros((len(leaders), points.shape[1]))
    np.add.at(sums, nearest[neighbours], weights[neighbours, None] * points[neighbours])
    totals = np.bincount(nearest[neighbours], weights[neighbours], len(leaders))  # (G,)
    means = (sums / totals[:, None]).astype(np.float32)  # (G, 4 + 2K)
    return means[:, :4], means[:, 4:].reshape(-1, *keypoints.shape[1:])


def _assign_to_leaders(boxes: Boxes, leaders: Indices) -> tuple[Indices, NDArray[np.float64]]:
    """Return the leader (N,) that each box (N, 4) overlaps most, and its IoU (N,).

    A leader is its own leader. A box that meets no leader has an IoU of 0.
    """
    group = np.full(len(boxes), -1, np.intp)
    group[leaders] = np.arange(len(leaders))
    nearest, best_overlaps = np.maximum(group, 0), (group >= 0).astype(np.float64)  # (N,) each
    areas = box_area(boxes)  # (N,)
    for pair in find_intersecting_pairs(boxes):
        for leader, vote in (pair, pair[::-1]):
            is_vote = (group[leader] >= 0) & (group[vote] < 0)  # (P,)
            taken, voting = leader[is_vote], vote[is_vote]  # (P',) each
            shared = compute_pair_intersections(boxes, taken, voting).astype(np.float64)  # (P',)
            union = areas[taken] + areas[voting] - shared  # (P',)
            overlaps = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
            np.maximum.at(best_overlaps, voting, overlaps)
            best = overlaps == best_overlaps[voting]  # (P',)
            nearest[voting[best]] = group[taken[best]]
    return nearest, best_overlaps
