"""The faces that were missed and the detections where there is none, the worst first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from phiz.boxes.geometry import box_area, box_iou
from phiz.faces import Boxes
from phiz.lab.accuracy.precision import Mask
from phiz.lab.accuracy.predictions import Prediction, to_boxes


@dataclass(frozen=True, slots=True)
class Mistake:
    """One face that was missed, or one false alarm.

    Attributes:
        prediction: The photograph and all that was found in it.
        box: (4,), of the labelled face, or of the detection.
        weight: How bad it is: the face's area, or the detection's score.
    """

    prediction: Prediction
    box: Boxes
    weight: float


def find_misses(
    predictions: Sequence[Prediction], choose_faces: Callable[[Prediction], Mask], min_iou: float
) -> list[Mistake]:
    """Return the chosen faces that no detection found, the largest first."""
    return _sort_worst_first(
        Mistake(each, each.label.faces[place], float(box_area(each.label.faces)[place]))
        for each in predictions
        for place in np.flatnonzero(choose_faces(each) & ~_mark_found(each, min_iou)).tolist()
    )


def find_false_alarms(predictions: Sequence[Prediction], min_iou: float) -> list[Mistake]:
    """Return the detections that are on no labelled face, whether it counts or not.

    The one with the highest score is the first.
    """
    return _sort_worst_first(
        Mistake(each, box, face.score)
        for each in predictions
        for box, face in zip(to_boxes(each.faces), each.faces, strict=True)
        if box_iou(box, each.label.faces).max(initial=0.0) < min_iou
    )


def _mark_found(prediction: Prediction, min_iou: float) -> Mask:
    """Return which faces (F,) a detection is on that overlaps no other face more."""
    faces = prediction.label.faces
    found = np.zeros(len(faces), bool)  # (F,)
    for box in to_boxes(prediction.faces) if len(faces) else ():
        overlaps = box_iou(box, faces)  # (F,)
        if overlaps.max() >= min_iou:
            found[overlaps.argmax()] = True
    return found


def _sort_worst_first(mistakes: Iterator[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda mistake: -mistake.weight)
