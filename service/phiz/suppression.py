"""What becomes of predictions that overlap: hard suppression, or tie-resolution blending.

Both group the predictions greedily: the best one left leads, and takes with it all whose
IoU with it is above the limit. Both never change their input.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from phiz.faces import Boxes, Keypoints, Scores
from phiz.geometry import area, intersection

Indices = NDArray[np.intp]


def groups(boxes: Boxes, scores: Scores, limit: float) -> Iterator[tuple[int, Indices]]:
    """Yield each leader with all that it takes, itself first, by falling score.

    Args:
        boxes: (N, 4).
        scores: (N,); of equal scores the first leads.
        limit: IoU above which a box is taken, 0 to 1.
    """
    areas = area(boxes)  # (N,)
    remaining = np.argsort(-scores, kind="stable")  # (N,)
    while remaining.size:
        # The leader is taken out by hand: an IoU of NaN, or of a box without area, would
        # leave it in and never end.
        leader, remaining = remaining[0], remaining[1:]
        shared = intersection(boxes[leader], boxes[remaining])  # (R,)
        union = areas[leader] + areas[remaining] - shared  # (R,)
        taken = shared > limit * union  # (R,)
        yield int(leader), np.concatenate([[leader], remaining[taken]])
        remaining = remaining[~taken]


def nms(boxes: Boxes, scores: Scores, limit: float) -> Indices:
    """Return the indices (K,) of the boxes that lead, by falling score."""
    return np.array([leader for leader, _ in groups(boxes, scores, limit)], np.intp)


def blend(
    boxes: Boxes, keypoints: Keypoints, scores: Scores, limit: float
) -> tuple[Boxes, Keypoints, Scores]:
    """Return one prediction for each group: the score-weighted mean of its members.

    The tie resolution of BlazeFace (Bazarevsky et al. 2019, section 3.4), which replaces
    suppression so that small shifts of the picture no longer change the winner. The score
    is the leader's, as in MediaPipe (a mean would punish a face for its weaker votes).

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
    blended, leading = [], []
    for leader, members in groups(boxes, scores, limit):
        weights = scores[members].astype(np.float64)  # (M,)
        total = weights.sum()
        if total > 0:
            blended.append(weights @ predictions[members] / total)  # (4 + 2K,)
        else:  # scores of 0 alone: nothing to weigh by
            blended.append(predictions[leader])
        leading.append(leader)
    means = np.stack(blended).astype(np.float32)  # (G, 4 + 2K)
    return means[:, :4], means[:, 4:].reshape(len(means), *keypoints.shape[1:]), scores[leading]
