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
    NO_PAIRS,
    IndexPairs,
    compute_pair_intersections,
    find_intersecting_pairs,
    find_leaders,
    group_by_leader,
)
from phiz.faces import Boxes, Indices, Keypoints, Scores

# Exponent of a neighbour's score in its weight. Portraits moved by a few pixels jitter least
# between 0.5 and 1. At 0.5 those of the back camera's network begin to jitter more.
VOTE_EXPONENT = np.float32(0.7)
# Leaders times boxes up to which all are compared with all.
MAX_MATRIX = 1 << 16
NO_OVERLAPS: NDArray[np.float64] = np.empty(0)
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

    Many are compared in pairs, so that thousands of leaders take no more memory than their
    neighbours.

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
    nearest, overlaps = _assign_to_leaders(boxes, leaders, limit)  # (N,) each
    votes = scores.astype(np.float64) ** VOTE_EXPONENT  # (N,)
    votes *= np.maximum(overlaps - limit, 0)
    votes[leaders] = np.maximum(votes[leaders], MIN_LEADER_WEIGHT)
    members = np.flatnonzero(votes)  # (M,)
    weights, groups = votes[members], nearest[members]  # (M,) each
    order = np.argsort(groups, kind="stable")  # (M,)
    weights, members = weights[order], members[order]
    starts = np.searchsorted(groups[order], np.arange(len(leaders)))  # (G,)
    points = np.concatenate([boxes, keypoints.reshape(len(boxes), -1)], axis=1)  # (N, 4 + 2K)
    sums = np.add.reduceat(weights[:, None] * points[members], starts)  # (G, 4 + 2K)
    means = (sums / np.add.reduceat(weights, starts)[:, None]).astype(np.float32)  # (G, 4 + 2K)
    return means[:, :4], means[:, 4:].reshape(-1, *keypoints.shape[1:])


def _assign_to_leaders(
    boxes: Boxes, leaders: Indices, limit: float
) -> tuple[Indices, NDArray[np.float64]]:
    """Return the leader (N,) that each box (N, 4) overlaps most, and its IoU (N,).

    A leader is its own leader. The IoU of a box may be 0 if it is not above the limit.
    """
    if len(leaders) * len(boxes) <= MAX_MATRIX:
        overlaps = box_iou(boxes[leaders, None], boxes).astype(np.float64)  # (G, N)
        overlaps[:, leaders] = np.eye(len(leaders))
        nearest = overlaps.argmax(axis=0)  # (N,)
        return nearest, overlaps[nearest, np.arange(len(boxes))]
    nearest, best_overlaps = np.zeros(len(boxes), np.intp), np.zeros(len(boxes))  # (N,) each
    leads = np.zeros(len(boxes), bool)  # (N,)
    leads[leaders] = True
    nearest[leaders], best_overlaps[leaders] = np.arange(len(leaders)), 1
    found = [_find_votes(boxes, leads, pairs, limit) for pairs in find_intersecting_pairs(boxes)]
    leader, vote = np.concatenate([NO_PAIRS, *(pairs for pairs, _ in found)], axis=1)  # (V,) each
    overlaps = np.concatenate([NO_OVERLAPS, *(each for _, each in found)])  # (V,)
    order = np.argsort(overlaps, kind="stable")  # the largest of each box is written last
    leader, vote, overlaps = leader[order], vote[order], overlaps[order]
    nearest[vote], best_overlaps[vote] = nearest[leader], overlaps
    return nearest, best_overlaps


def _find_votes(
    boxes: Boxes, leads: NDArray[np.bool_], pairs: IndexPairs, limit: float
) -> tuple[IndexPairs, NDArray[np.float64]]:
    """Return pairs (2, V) of a leader and another box, and their IoU (V,), above the limit.

    Args:
        boxes: (N, 4).
        leads: (N,), whether a box is a leader.
        pairs: (2, P).
        limit: 0 to 1.
    """
    first_leads, second_leads = leads[pairs]  # (P,) each
    chosen = np.flatnonzero(first_leads ^ second_leads)  # (W,)
    leader, vote = np.where(first_leads[chosen], pairs[:, chosen], pairs[::-1, chosen])  # (W,) each
    areas = box_area(boxes)  # (N,)
    shared = compute_pair_intersections(boxes, leader, vote).astype(np.float64)  # (W,)
    overlaps = shared / (areas[leader] + areas[vote] - shared)  # (W,)
    above = np.flatnonzero(overlaps > limit)  # (V,)
    return np.stack([leader[above], vote[above]]), overlaps[above]
