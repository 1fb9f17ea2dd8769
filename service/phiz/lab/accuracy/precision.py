"""Average precision and recall, by the rules of the WIDER FACE benchmark.

Each picture is judged by itself (`judge_detections`), the judgements are merged
(`merge_judgements`), and the figures are computed from the whole (`compute_average_precision`,
`compute_recall`). A level of the benchmark (easy, medium, hard) is a choice of the annotated
faces that count; the others, and those marked invalid, are to be neither found nor missed.

The rules are those of the benchmark's evaluation (https://shuoyang1213.me/WIDERFACE,
"Evaluation code"), with two differences. It reads its precision-recall curve at 1000
evenly spaced thresholds, here every score that occurs is one: the curve is exact, and
does not depend on how a model spreads its scores. It adds one pixel to each side of a
box, here boxes are half-open and need none: on small faces that makes its figures up to
0.02 higher.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.boxes.geometry import box_iou
from phiz.faces import Boxes, Scores

Mask: TypeAlias = NDArray[np.bool_]
"""(N,)."""
FloatArray: TypeAlias = NDArray[np.float64]
"""(N,)."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of the detections that count, in one picture or in many.

    Attributes:
        scores: (N,), by falling score within a picture.
        hits: (N,), true for the first detection of a face that counts; false where there
            is no face, or one that a better detection has found already.
        faces: How many faces there were to find.
    """

    scores: Scores
    hits: Mask
    faces: int


def judge_detections(
    boxes: Boxes, scores: Scores, faces: Boxes, counted: Mask, *, min_iou: float = 0.5
) -> Judgement:
    """Return the judgement of one picture's detections.

    By falling score, each detection goes to the annotated face that it overlaps most,
    be it found already or not. It is left out if that face does not count.

    Args:
        boxes: (D, 4), the detections.
        scores: (D,), theirs.
        faces: (F, 4), the annotated faces.
        counted: (F,), true for the faces that are to be found.
        min_iou: A detection that overlaps its face by less is on no face.
    """
    order = np.argsort(-scores, kind="stable")  # (D,)
    if len(boxes) == 0 or len(faces) == 0:
        return Judgement(scores[order], np.zeros(len(boxes), bool), int(counted.sum()))
    overlaps = np.stack([box_iou(box, faces) for box in boxes[order]])  # (D, F)
    nearest = overlaps.argmax(axis=1)  # (D,)
    on_face = overlaps.max(axis=1) >= min_iou  # (D,)
    counts = ~on_face | counted[nearest]  # (D,)
    hits = _mark_firsts(nearest, on_face & counted[nearest])  # (D,)
    return Judgement(scores[order][counts], hits[counts], int(counted.sum()))


def merge_judgements(judgements: Sequence[Judgement]) -> Judgement:
    """Return the judgements of many pictures as one."""
    if not judgements:
        return Judgement(np.zeros(0, np.float32), np.zeros(0, bool), 0)
    return Judgement(
        np.concatenate([judgement.scores for judgement in judgements]),
        np.concatenate([judgement.hits for judgement in judgements]),
        sum(judgement.faces for judgement in judgements),
    )


def compute_precision_recall(judgement: Judgement) -> tuple[FloatArray, FloatArray]:
    """Return precision (T,) and recall (T,) at each score that occurs, from the highest.

    Detections of equal score pass a threshold together, so their order changes nothing.
    Recall is NaN where there is no face to find.
    """
    order = np.argsort(-judgement.scores, kind="stable")  # (N,)
    scores = judgement.scores[order]  # (N,)
    lasts = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])  # (T,)
    found = np.cumsum(judgement.hits[order])[lasts]  # (T,)
    recall = found / judgement.faces if judgement.faces else np.full(len(lasts), np.nan)
    return found / (lasts + 1), recall


def compute_average_precision(judgement: Judgement) -> float:
    """Return the area under the precision-recall curve, 0 to 1; NaN without faces to find.

    Precision counts as the highest that any equal or higher recall has (the envelope of
    Everingham and others, The PASCAL Visual Object Classes Challenge, 2010, as the
    benchmark takes it: over all recalls, not over eleven).
    """
    if judgement.faces == 0:
        return float("nan")
    precision, recall = compute_precision_recall(judgement)  # (T,), (T,)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]  # (T,)
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def compute_recall(judgement: Judgement, score: float) -> float:
    """Return the share of faces found by detections of at least a score, 0 to 1.

    NaN without faces to find.
    """
    if judgement.faces == 0:
        return float("nan")
    return int(judgement.hits[judgement.scores >= score].sum()) / judgement.faces


def _mark_firsts(values: NDArray[np.intp], chosen: Mask) -> Mask:
    """Return (N,), true at the first of each value among those chosen."""
    where = np.flatnonzero(chosen)
    _, first = np.unique(values[where], return_index=True)
    firsts = np.zeros(len(values), bool)
    firsts[where[first]] = True
    return firsts
