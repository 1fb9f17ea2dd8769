"""Photographs whose faces are labelled.

A folder has ``images/`` and ``annotations.json``, a list of pictures: ``image``, its file, and
``faces``, each with ``box`` (x1, y1, x2, y2) and perhaps ``landmarks`` (left eye, right eye,
nose, left and right corner of the mouth, as seen in the picture), ``wider_levels`` (those of
the WIDER FACE benchmark at which it counts), ``difficult`` (it counts only by its levels) and
``invalid`` (it never counts).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import numpy as np
from pydantic import Field, TypeAdapter

from phiz.faces import Boxes, Keypoints
from phiz.image.decode import decode_image, open_image
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.lab.accuracy.photos import Photo, name_unreadable
from phiz.lab.accuracy.precision import Mask
from phiz.models.documents import STRICT, Text, read_document

WIDER_FOLDER: Final = "wider"
ANNOTATIONS_FILE: Final = "annotations.json"
LEVELS: Final = ("easy", "medium", "hard")
ALL: Final = "all"
"""The level of labels that are without those of WIDER FACE."""
LANDMARK_COUNT: Final = 5
UNLABELLED: Final = ((nan, nan),) * LANDMARK_COUNT
PHOTOGRAPH_LIMITS: Final = DecodingLimits(max_bytes=1_000_000_000, max_pixels=200_000_000)
"""No photograph comes near them."""

_Landmarks: TypeAlias = Annotated[
    tuple[tuple[float, float], ...], Field(min_length=LANDMARK_COUNT, max_length=LANDMARK_COUNT)
]


@dataclass(frozen=True, slots=True)
class _AnnotatedFace:
    box: tuple[float, float, float, float]
    landmarks: _Landmarks | None = None
    wider_levels: tuple[str, ...] | None = None
    difficult: bool | None = None
    invalid: bool | None = None


@dataclass(frozen=True, slots=True)
class _AnnotatedImage:
    image: Text
    faces: list[_AnnotatedFace]


_ANNOTATIONS: Final = TypeAdapter(
    Annotated[list[_AnnotatedImage], Field(min_length=1)], config=STRICT
)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """A photograph and its faces.

    Attributes:
        path: Of the picture.
        faces: (F, 4).
        counted: By level, (F,), true for the faces that are to be found.
        landmarks: (F, 5, 2), left eye, right eye, nose, left and right corner of the mouth,
            as seen in the picture; NaN where they are not labelled.
    """

    path: Path
    faces: Boxes
    counted: Mapping[str, Mask]
    landmarks: Keypoints


def read_wider_labels(folder: Path) -> list[LabelledImage]:
    """Return the labelled photographs in a folder's ``wider/``, as the gates need them.

    Raises:
        OptionError: The folder does not have them, or they are not as they should be.
    """
    return read_annotations(folder / WIDER_FOLDER)


def read_annotations(folder: Path) -> list[LabelledImage]:
    """Return the labelled photographs of a folder.

    Raises:
        OptionError: The folder does not have them, or they are not as they should be.
    """
    path = folder / ANNOTATIONS_FILE
    with name_unreadable(path):
        entries = read_document(_ANNOTATIONS, path.read_text("utf-8"))
    has_levels = any(face.wider_levels is not None for entry in entries for face in entry.faces)
    return [_label_image(entry, folder / "images", has_levels=has_levels) for entry in entries]


def open_photograph(label: LabelledImage | Photo, limits: DecodingLimits) -> LazyImage:
    """Return a labelled photograph, which is decoded when it is asked for its pixels.

    Raises:
        OptionError: It is not there, or not a picture within the limits.
    """
    with name_unreadable(f"the photograph {label.path}"):
        return open_image(label.path.read_bytes(), limits)


def check_photographs(labels: Iterable[LabelledImage | Photo], limits: DecodingLimits) -> None:
    """Decode all photographs once, so that none can fail in the middle of a measurement.

    Raises:
        OptionError: One is not there, or cannot be decoded.
    """
    for label in labels:
        with name_unreadable(f"the photograph {label.path}"):
            decode_image(label.path.read_bytes(), limits)


def label_boxes(path: Path, boxes: Boxes, counted: Mapping[str, Mask]) -> LabelledImage:
    """Return a photograph with boxes (F, 4) and no landmarks."""
    points = np.full((len(boxes), LANDMARK_COUNT, 2), np.nan, np.float32)
    return LabelledImage(path, boxes, counted, points)


def _label_image(entry: _AnnotatedImage, images: Path, *, has_levels: bool) -> LabelledImage:
    faces = entry.faces
    levels = [() if face.invalid else face.wider_levels or () for face in faces]
    counted = {level: np.array([level in each for each in levels], bool) for level in LEVELS}
    if not has_levels:
        counted[ALL] = np.array([not face.invalid and not face.difficult for face in faces], bool)
    points = [face.landmarks or UNLABELLED for face in faces]
    return LabelledImage(
        path=images / entry.image,
        faces=np.array([face.box for face in faces], np.float32).reshape(-1, 4),
        counted=counted,
        landmarks=np.array(points, np.float32).reshape(-1, LANDMARK_COUNT, 2),
    )
