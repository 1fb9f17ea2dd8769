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
    IndexPairs,
    compute_pair_intersections,
    find_leaders,
    find_overlapping_pairs,
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


def blend_around(  # noqa: PLR0913, PLR0917  predictions, and how they are grouped
    boxes: Boxes,
    keypoints: Keypoints,
    scores: Scores,
    leaders: Indices,
    limit: float,
    pairs: IndexPairs | None = None,
) -> tuple[Boxes, Keypoints]:
    """Return for each leader the mean of its nearest predictions, as ``blend_weighted`` does.

    In pairs, so that thousands of leaders take no more memory than their neighbours.

    Args:
        boxes: (N, 4).
        keypoints: (N, K, 2).
        scores: (N,), not negative.
        leaders: (G,), indices.
        limit: IoU from which on a prediction counts, 0 to 1.
        pairs: (2, P), all pairs whose IoU is above the limit; None finds them.

    Returns:
        Boxes (G, 4) and keypoints (G, K, 2), in the order of the leaders.
    """
    if not len(leaders):
        return boxes[:0].copy(), keypoints[:0].copy()
    if pairs is None:
        pairs = find_overlapping_pairs(boxes, limit)
    votes, nearest, overlaps = _assign_to_leaders(boxes, leaders, pairs)  # (V,) each
    weights = (overlaps - limit) * scores[votes].astype(np.float64) ** VOTE_EXPONENT  # (V,)
    own = (1 - limit) * scores[leaders].astype(np.float64) ** VOTE_EXPONENT  # (G,)
    members = np.concatenate([leaders, votes])  # (G + V,)
    groups = np.concatenate([np.arange(len(leaders)), nearest])  # (G + V,)
    weights = np.concatenate([np.maximum(own, MIN_LEADER_WEIGHT), np.maximum(weights, 0)])
    order = np.argsort(groups, kind="stable")  # (G + V,)
    weights, members = weights[order], members[order]
    starts = np.searchsorted(groups[order], np.arange(len(leaders)))  # (G,)
    points = np.concatenate([boxes, keypoints.reshape(len(boxes), -1)], axis=1)  # (N, 4 + 2K)
    sums = np.add.reduceat(weights[:, None] * points[members], starts)  # (G, 4 + 2K)
    means = (sums / np.add.reduceat(weights, starts)[:, None]).astype(np.float32)  # (G, 4 + 2K)
    return means[:, :4], means[:, 4:].reshape(-1, *keypoints.shape[1:])


def _assign_to_leaders(
    boxes: Boxes, leaders: Indices, pairs: IndexPairs
) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """Return who votes (V,), the position of the leader that it overlaps most (V,), and their IoU.

    Args:
        boxes: (N, 4).
        leaders: (G,), indices.
        pairs: (2, P), those that overlap enough.
    """
    group = np.full(len(boxes), -1, np.intp)
    group[leaders] = np.arange(len(leaders))
    first, second = np.concatenate([pairs, pairs[::-1]], axis=1)  # (2P,) each
    is_vote = (group[first] >= 0) & (group[second] < 0)  # (2P,)
    leader, voting = first[is_vote], second[is_vote]  # (W,) each
    shared = compute_pair_intersections(boxes, leader, voting).astype(np.float64)  # (W,)
    areas = box_area(boxes)  # (N,)
    overlaps = shared / (areas[leader] + areas[voting] - shared)  # (W,)
    # The best of each voter comes first.
    order = np.lexsort((-overlaps, voting))  # (W,)
    voting = voting[order]
    is_best = np.diff(voting, prepend=-1) > 0  # (W,)
    best = order[is_best]  # (V,)
    return voting[is_best], group[leader[best]], overlaps[best]
