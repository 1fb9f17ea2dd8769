"""Errors of found faces, in distances of the labelled eyes.

The distance between the labelled eyes (inter-ocular distance, IOD) makes errors on small and
large faces comparable. Eyes and nose are compared, which every model gives. Each model has its own
convention of a face's box, and the labels have another. So a model's median offset of each side is
one figure, and the errors around it are another.

An error is the mean absolute error of the coordinates, as BlazeFace's regression error
(Bazarevsky et al. 2019, section 4). For landmarks there is also the mean of the distances, the
normalised mean error (NME) of face alignment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from phiz.boxes.geometry import box_iou
from phiz.faces import Boxes, Face, Keypoints
from phiz.lab.accuracy.labels import LabelledImage
from phiz.lab.accuracy.precision import FloatArray
from phiz.lab.accuracy.predictions import Prediction, to_boxes

ALIGNED_LANDMARKS: Final = ("left_eye", "right_eye", "nose")
"""The landmarks that every model has, in the order of the labels, which begin with them."""
# The labelled box of a portrait is tight around the landmarks, and the models' boxes are not:
# a limit that tells the labelled face from a bystander, not a good box from a bad one.
SAME_FACE_IOU: Final = 0.3


@dataclass(frozen=True, slots=True)
class Alignment:
    """The errors on labelled faces that were found, N of them.

    Attributes:
        landmarks: (N,), mean absolute error of x and y of eyes and nose, in IOD.
        distances: (N,), mean distance of eyes and nose from their labels, in IOD.
        boxes: (N,), mean absolute error of the four sides around the model's offset, in IOD.
        box_offset: (4,), found box less labelled box, in the median, in IOD; NaN without faces.
        missed: Labelled faces that were not found.
    """

    landmarks: FloatArray
    distances: FloatArray
    boxes: FloatArray
    box_offset: FloatArray
    missed: int


def measure_alignment(predictions: Sequence[Prediction]) -> Alignment:
    """Return the errors on all faces whose eyes and nose are labelled."""
    points: list[FloatArray] = []
    boxes: list[FloatArray] = []
    missed = 0
    for prediction in predictions:
        label = prediction.label
        for place in find_faces_with_points(label):
            face = find_nearest_face(label.faces[place], prediction.faces)
            if face is None:
                missed += 1
                continue
            labelled = label.landmarks[place, : len(ALIGNED_LANDMARKS)].astype(np.float64)  # (3, 2)
            iod = measure_eye_distance(labelled)
            points.append((get_points(face) - labelled) / iod)
            boxes.append((np.array(face.box) - label.faces[place]) / iod)
    errors = np.array(points, float).reshape(-1, len(ALIGNED_LANDMARKS), 2)  # (N, 3, 2)
    sides = np.array(boxes, float).reshape(-1, 4)  # (N, 4)
    offset = np.median(sides, axis=0) if len(sides) else np.full(4, np.nan)  # (4,)
    return Alignment(
        landmarks=np.abs(errors).mean(axis=(1, 2)),
        distances=np.hypot(errors[..., 0], errors[..., 1]).mean(axis=1),
        boxes=np.abs(sides - offset).mean(axis=1),
        box_offset=offset,
        missed=missed,
    )


def find_faces_with_points(label: LabelledImage) -> list[int]:
    """Return the places of the faces that count at a level and whose eyes and nose are labelled."""
    counted = np.any([*label.counted.values()], axis=0)  # (F,)
    labelled = np.isfinite(label.landmarks[:, : len(ALIGNED_LANDMARKS)]).all(axis=(1, 2))  # (F,)
    places: list[int] = np.flatnonzero(counted & labelled).tolist()
    return places


def find_nearest_face(box: Boxes, faces: Sequence[Face]) -> Face | None:
    """Return the face that overlaps a box (4,) most, or None if it is of another person."""
    overlaps = box_iou(box, to_boxes(faces))  # (N,)
    if overlaps.max(initial=0.0) < SAME_FACE_IOU:
        return None
    return faces[int(overlaps.argmax())]


def get_points(face: Face) -> Keypoints:
    """Return eyes and nose of a face as an array (3, 2)."""
    return np.array([face.landmarks[name] for name in ALIGNED_LANDMARKS], np.float32)


def measure_eye_distance(points: Keypoints | FloatArray) -> float:
    """Return the distance of the eyes, the first two of points (K, 2), pixels."""
    return float(np.hypot(*(points[1] - points[0])))
