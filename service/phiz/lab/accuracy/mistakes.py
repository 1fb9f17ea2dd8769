"""The faces that were missed and the detections where there is none, the worst first."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from phiz.boxes.geometry import area, iou
from phiz.faces import Boxes
from phiz.lab.accuracy.precision import Mask
from phiz.lab.accuracy.predictions import Observation, boxes_of


@dataclass(frozen=True, slots=True)
class Mistake:
    """One face that was missed, or one false alarm.

    Attributes:
        observation: The photograph and all that was found in it.
        box: (4,), of the labelled face, or of the detection.
        weight: How bad it is: the face's area, or the detection's score.
    """

    observation: Observation
    box: Boxes
    weight: float


def find_misses(
    observations: Sequence[Observation], choose: Callable[[Observation], Mask], min_iou: float
) -> list[Mistake]:
    """Return the chosen faces that no detection found, the largest first."""
    return _worst_first(
        Mistake(each, each.label.faces[place], float(area(each.label.faces)[place]))
        for each in observations
        for place in np.flatnonzero(choose(each) & ~_found(each, min_iou)).tolist()
    )


def find_alarms(observations: Sequence[Observation], min_iou: float) -> list[Mistake]:
    """Return the detections that are on no labelled face, whether it counts or not.

    The one with the highest score is the first.
    """
    return _worst_first(
        Mistake(each, box, face.score)
        for each in observations
        for box, face in zip(boxes_of(each.faces), each.faces, strict=True)
        if iou(box, each.label.faces).max(initial=0.0) < min_iou
    )


def _found(observation: Observation, min_iou: float) -> Mask:
    """Return which faces (F,) a detection is on that overlaps no other face more."""
    faces = observation.label.faces
    found = np.zeros(len(faces), bool)  # (F,)
    for box in boxes_of(observation.faces) if len(faces) else ():
        overlaps = iou(box, faces)  # (F,)
        if overlaps.max() >= min_iou:
            found[overlaps.argmax()] = True
    return found


def _worst_first(mistakes: Iterator[Mistake]) -> list[Mistake]:
    return sorted(mistakes, key=lambda mistake: -mistake.weight)
