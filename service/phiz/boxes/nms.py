"""Non-maximum suppression: the leaders among overlapping predictions.

The best remaining prediction is a leader. It takes all predictions whose IoU with it is above the
limit. Suppression returns the leaders. No function changes its input.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_area, compute_intersections
from phiz.faces import Boxes, Indices, Scores

IndexPairs = NDArray[np.intp]
"""(2, P), indices of predictions."""

BLOCK_PAIRS = 1 << 16
# Number of predictions compared with all others at once. Most images have no more predictions,
# and the number of numpy calls dominates the time.
BLOCK_LEADERS = 32
# Number of the best that are compared with all others before the rest is compared in pairs.
FIRST_LEADERS = 16
# From more predictions on, leaders are found in pairs: a crowd's in a third of the time.
PAIRWISE_MIN_COUNT = 64
# Two faces of an image share at most this much of the smaller box. Of the 5,289 labelled faces of
# WIDER FACE, 4 pairs share more.
MAX_SHARED = np.float32(0.75)
# The same for faces of this share of the image's shorter side and more. Crowds have no faces as
# large, and of a head that fills the image the networks find parts. One labelled pair shares more.
MAX_SHARED_LARGE = np.float32(0.2)
LARGE_FACE_SHARE = 0.37
FEW_FACES = 8  # that Python compares in pairs in less time than numpy
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


def find_leaders(boxes: Boxes, scores: Scores, limit: float) -> Indices:
    """Return what ``nms`` returns; few are compared all with all, which takes less time there."""
    if len(boxes) > PAIRWISE_MIN_COUNT:
        return nms(boxes, scores, limit)
    order = np.argsort(-scores, kind="stable")  # (N,)
    ranked, pairs = boxes[order], _list_all_pairs(len(boxes))  # (N, 4), (2, P)
    shared = compute_pair_intersections(ranked, *pairs)  # (P,)
    first, second = box_area(ranked)[pairs]  # (P,) each
    return order[_list_leaders(len(boxes), pairs, shared > limit * (first + second - shared))]


@lru_cache(PAIRWISE_MIN_COUNT + 1)
def _list_all_pairs(count: int) -> IndexPairs:
    """Return all pairs (2, P) of so many ranks, the better one first, by the better one."""
    pairs: IndexPairs = np.stack(np.triu_indices(count, 1))
    pairs.flags.writeable = False
    return pairs


def _list_leaders(count: int, pairs: IndexPairs, excludes: NDArray[np.bool_]) -> list[int]:
    """Return the ranks of the boxes that lead, by the pairs (2, P) that exclude each other (P,).

    The pairs are in the order of ``_list_all_pairs``: all that may exclude a box come before those
    that it may exclude.
    """
    taken: set[int] = set()
    for better, worse in pairs[:, excludes].T.tolist():
        if better not in taken:
            taken.add(worse)
    return [rank for rank in range(count) if rank not in taken]


def nms(boxes: Boxes, scores: Scores, limit: float) -> Indices:
    """Return the indices (K,) of the boxes that lead, by falling score.

    The best are compared with all others first. Around a large face they take hundreds, which
    make a hundred thousand pairs.
    """
    order = np.argsort(-scores, kind="stable")  # (N,)
    best = order[:FIRST_LEADERS]  # (L,)
    near = _find_overlapping(boxes[best], boxes[order], limit)  # (L, N)
    free = np.ones(len(boxes), bool)  # (N,), by rank
    leaders = []
    for rank in range(len(best)):
        if free[rank]:
            leaders.append(rank)
            free &= ~near[rank]
    free[: len(best)] = False
    rest = order[free]  # (R,)
    kept = suppress_pairs(find_overlapping_pairs(boxes[rest], limit), scores[rest])
    return np.concatenate([order[leaders], rest[kept]])


def find_overlapping_pairs(boxes: Boxes, limit: float) -> IndexPairs:
    """Return all pairs (2, P) of boxes (N, 4) whose IoU is above the limit."""
    pairs_by_block = [
        filter_overlapping_pairs(boxes, first, second, limit)
        for first, second in find_intersecting_pairs(boxes)
    ]
    return np.concatenate([NO_PAIRS, *pairs_by_block], axis=1)


def find_single_faces(boxes: Boxes, scores: Scores, size_wh: tuple[int, int]) -> Indices:
    """Return the indices (K,) of one box for each face of an image, by falling score.

    Blending, calibration and clipping move boxes after overlaps were resolved, so that two boxes
    of one face can lie over each other again, or one inside the other.

    Args:
        boxes: (N, 4), pixels of the image, clipped to it.
        scores: (N,); of equal scores the first leads.
        size_wh: Size of the image.
    """
    if len(boxes) <= FEW_FACES and _are_disjoint(boxes):
        return np.argsort(-scores, kind="stable")
    areas = box_area(boxes)  # (N,)
    is_large = areas >= np.float32((LARGE_FACE_SHARE * min(size_wh)) ** 2)  # (N,)
    limits = np.where(is_large, MAX_SHARED_LARGE, MAX_SHARED)  # (N,)
    return nms_by_shared_area(boxes, scores, limits * areas)


def _are_disjoint(boxes: Boxes) -> bool:
    """Return whether no two boxes (N, 4) share pixels. For few this is quicker than numpy."""
    return all(
        x2 <= left or right <= x1 or y2 <= top or bottom <= y1
        for (x1, y1, x2, y2), (left, top, right, bottom) in combinations(boxes.tolist(), 2)
    )


def nms_by_shared_area(boxes: Boxes, scores: Scores, max_shared: Scores) -> Indices:
    """Return the indices (K,) of the boxes that lead, by falling score.

    Two boxes exclude each other that share more than the maximum of either. Unlike IoU, this also
    finds a small box inside a large one.

    Args:
        boxes: (N, 4).
        scores: (N,); of equal scores the first leads.
        max_shared: (N,), areas.
    """
    if len(boxes) <= PAIRWISE_MIN_COUNT:
        order = np.argsort(-scores, kind="stable")  # (N,)
        pairs = _list_all_pairs(len(boxes))  # (2, P)
        shared = compute_pair_intersections(boxes[order], *pairs)  # (P,)
        first, second = max_shared[order][pairs]  # (P,) each
        return order[_list_leaders(len(boxes), pairs, shared > np.minimum(first, second))]
    pairs_by_block = [NO_PAIRS]
    for first, second in find_intersecting_pairs(boxes):  # (P,) each
        shared = compute_pair_intersections(boxes, first, second)  # (P,)
        taken = shared > np.minimum(max_shared[first], max_shared[second])  # (P,)
        pairs_by_block.append(np.stack([first[taken], second[taken]]))
    return suppress_pairs(np.concatenate(pairs_by_block, axis=1), scores)


def find_intersecting_pairs(boxes: Boxes) -> Iterator[IndexPairs]:
    """Yield all pairs of boxes (N, 4) that share pixels, in blocks (2, P).

    The sweep follows the axis on which the boxes lie further apart. A box can only meet boxes
    that begin before it ends. Those that do not meet on the other axis are dropped at once, because
    a crowd has twenty times as many of them. A block compares about ``BLOCK_PAIRS`` pairs, which
    stay in the cache.
    """
    if not len(boxes):
        return
    axis = int(np.ptp(boxes[:, 1]) > np.ptp(boxes[:, 0]))
    order = np.argsort(boxes[:, axis], kind="stable")  # (N,)
    starts, lows, ends, highs = np.ascontiguousarray(
        boxes[order][:, [axis, 1 - axis, axis + 2, 3 - axis]].T
    )  # (N,) each
    places = np.arange(len(boxes), dtype=np.int32)
    counts = np.maximum(np.searchsorted(starts, ends) - places - 1, 0)  # (N,) later ones it meets
    cuts = np.searchsorted(np.cumsum(counts), np.arange(0, counts.sum(), BLOCK_PAIRS), "right")
    for low, high in pairwise([*np.unique(cuts).tolist(), len(boxes)]):
        each = counts[low:high]  # (n,)
        skipped = (np.cumsum(each) - each - places[low:high] - 1).astype(np.int32)  # (n,)
        second = np.arange(each.sum(), dtype=np.int32) - np.repeat(skipped, each)  # (P,)
        is_met = np.repeat(lows[low:high], each) < highs[second]  # (P,)
        is_met &= np.repeat(highs[low:high], each) > lows[second]
        met = np.flatnonzero(is_met)  # (P',)
        yield np.stack([order[np.repeat(places[low:high], each)[met]], order[second[met]]])


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
    columns = np.ascontiguousarray(boxes.T)  # (4, N)
    one, other = columns.take(first, axis=1), columns.take(second, axis=1)  # (4, P) each
    sides = np.minimum(one[2:], other[2:])  # (2, P)
    sides -= np.maximum(one[:2], other[:2])
    np.maximum(sides, 0, out=sides)
    shared: Scores = sides[0] * sides[1]  # (P,)
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
