"""Non-maximum suppression: the leaders among overlapping predictions.

The best remaining prediction is a leader. It takes all predictions whose IoU with it is above the
limit. Suppression returns the leaders. No function changes its input.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_area, compute_intersections
from phiz.faces import Boxes, Indices, Scores

IndexPairs = NDArray[np.intp]
"""(2, P), indices of predictions."""

BLOCK_PAIRS = 1 << 18
# Number of predictions compared with all others at once. Most images have no more predictions,
# and the number of numpy calls dominates the time.
BLOCK_LEADERS = 32
NO_PAIRS: IndexPairs = np.empty((2, 0), np.intp)


def group_by_leader(boxes: Boxes, scores: Scores, limit: float) -> Iterator[tuple[int, Indices]]:
    """Yield each leader with the predictions that it takes, itself first, by falling score.

    Args:
        boxes: (N, 4).
        scores: (N,); of equal scores the first leads.
        limit: IoU above which a box is taken, 0 to 1.
    """
    remaining = np.argsort(-scores, kind="stable")  # (N,)
    while remaining.size:
        best = remaining[:BLOCK_LEADERS]  # (L,), each of which leads or is taken
        near = _find_overlapping(boxes[best], boxes[remaining], limit)  # (L, R)
        free = np.ones(len(remaining), bool)  # (R,)
        for rank, leader in enumerate(best.tolist()):
            if not free[rank]:
                continue
            # The leader is removed explicitly. An IoU of NaN, or a box without area, would keep it
            # and never end.
            free[rank] = False
            is_taken = near[rank] & free  # (R,)
            free ^= is_taken
            yield leader, np.concatenate([[leader], remaining[is_taken]])
        remaining = remaining[free]


def _find_overlapping(boxes: Boxes, others: Boxes, limit: float) -> NDArray[np.bool_]:
    """Return whether boxes (L, 4) have an IoU above the limit with others (R, 4), (L, R)."""
    shared = compute_intersections(boxes[:, None], others)  # (L, R)
    union = box_area(boxes)[:, None] + box_area(others) - shared  # (L, R)
    near: NDArray[np.bool_] = shared > limit * union
    return near


def nms(boxes: Boxes, scores: Scores, limit: float) -> Indices:
    """Return the indices (K,) of the boxes that lead, by falling score."""
    pairs_by_block = [
        filter_overlapping_pairs(boxes, first, second, limit)
        for first, second in find_intersecting_pairs(boxes)
    ]
    return suppress_pairs(np.concatenate([NO_PAIRS, *pairs_by_block], axis=1), scores)


def find_intersecting_pairs(boxes: Boxes) -> Iterator[IndexPairs]:
    """Yield all pairs of boxes (N, 4) that share pixels, in blocks (2, P).

    The sweep follows the axis on which the boxes lie further apart. A box can only meet boxes
    that begin before it ends. A block has about ``BLOCK_PAIRS`` pairs, to bound memory.
    """
    if not len(boxes):
        return
    axis = int(np.ptp(boxes[:, 1]) > np.ptp(boxes[:, 0]))
    order = np.argsort(boxes[:, axis], kind="stable")  # (N,)
    ends = np.searchsorted(boxes[order, axis], boxes[order, axis + 2])  # (N,)
    counts = np.maximum(ends - np.arange(1, len(boxes) + 1), 0)  # (N,) later ones that it meets
    cuts = np.searchsorted(np.cumsum(counts), np.arange(0, counts.sum(), BLOCK_PAIRS), "right")
    for low, high in pairwise([*np.unique(cuts).tolist(), len(boxes)]):
        first = np.repeat(np.arange(low, high), counts[low:high])  # (P,)
        starts = np.cumsum(counts[low:high]) - counts[low:high]  # (n,)
        steps = np.arange(len(first)) - np.repeat(starts, counts[low:high])  # (P,)
        yield np.stack([order[first], order[first + 1 + steps]])


def filter_overlapping_pairs(
    boxes: Boxes, first: Indices, second: Indices, limit: float
) -> IndexPairs:
    """Return the pairs (first, second) of boxes (N, 4) whose IoU is above the limit."""
    shared = compute_pair_intersections(boxes, first, second)  # (P,)
    areas = box_area(boxes)  # (N,)
    taken = shared > limit * (areas[first] + areas[second] - shared)  # (P,)
    return np.stack([first[taken], second[taken]])  # (2, P')


def compute_pair_intersections(boxes: Boxes, first: Indices, second: Indices) -> Scores:
    """Return the shared areas (P,) of pairs (first, second) of boxes (N, 4)."""
    low = np.maximum(boxes[first, :2], boxes[second, :2])  # (P, 2)
    high = np.minimum(boxes[first, 2:], boxes[second, 2:])  # (P, 2)
    sides = np.maximum(high - low, 0)  # (P, 2)
    shared: Scores = sides[:, 0] * sides[:, 1]  # (P,)
    return shared


def suppress_pairs(pairs: IndexPairs, scores: Scores) -> Indices:
    """Return the indices (K,) that greedy suppression keeps, by falling score.

    Each round keeps all predictions that are better than every remaining neighbour, and removes
    their neighbours. The result is that of greedy suppression. It takes as many rounds as the
    longest chain of ever better neighbours, instead of one step per kept prediction.

    Args:
        pairs: (2, P), predictions that exclude each other.
        scores: (N,); the first of equal scores is the better one.
    """
    order = np.argsort(-scores, kind="stable")  # (N,)
    rank = np.empty(len(scores), np.intp)
    rank[order] = np.arange(len(scores))
    better, worse = np.sort(rank[pairs], axis=0)  # (P,) each, as ranks
    kept = np.ones(len(scores), bool)  # by rank
    while better.size:
        is_beaten = np.zeros(len(scores), bool)
        is_beaten[worse] = True
        decided = ~is_beaten[better]  # pairs whose better half nobody beats
        kept[worse[decided]] = False
        left = kept[better] & kept[worse]
        better, worse = better[left & ~decided], worse[left & ~decided]
    return order[kept]
