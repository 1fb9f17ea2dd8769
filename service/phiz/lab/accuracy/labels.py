"""Photographs whose faces are labelled.

A folder has ``images/`` and ``annotations.json``, a list of pictures: ``image``, its file, and
``faces``, each with ``box`` (x1, y1, x2, y2) and perhaps ``landmarks`` (left eye, right eye,
nose, left and right corner of the mouth, as seen in the picture), ``wider_levels`` (those of
the WIDER FACE benchmark at which it counts), ``difficult`` (it counts only by its levels) and
``invalid`` (it never counts).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, Final

import numpy as np

from phiz.errors import CatalogError, ImageError, OptionError
from phiz.faces import Boxes, Keypoints
from phiz.image.decode import open_image
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.lab.accuracy.precision import Mask
from phiz.models.tables import read_number, read_text

WIDER_FOLDER: Final = "wider"
ANNOTATIONS_FILE: Final = "annotations.json"
LEVELS: Final = ("easy", "medium", "hard")
ALL: Final = "all"
"""The level of labels that are without those of WIDER FACE."""
BOX_SIDES: Final = ("x1", "y1", "x2", "y2")
LANDMARK_COUNT: Final = 5
PHOTOGRAPH_LIMITS: Final = DecodingLimits(max_bytes=1_000_000_000, max_pixels=200_000_000)
"""No photograph comes near them."""


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
    try:
        return parse_labels(json.loads(path.read_text("utf-8")), path.parent / "images")
    except (OSError, ValueError, CatalogError) as error:
        raise OptionError(f"{path} cannot be read: {error}") from error


def open_photograph(label: LabelledImage, limits: DecodingLimits) -> LazyImage:
    """Return a labelled photograph, which is decoded when it is asked for its pixels.

    Raises:
        OptionError: It is not there, or not a picture within the limits.
    """
    try:
        return open_image(label.path.read_bytes(), limits)
    except (OSError, ImageError) as error:
        raise OptionError(f"the photograph {label.path} cannot be read: {error}") from error


def check_photographs(labels: Iterable[LabelledImage], limits: DecodingLimits) -> None:
    """Decode all photographs once, so that none can fail in the middle of a measurement.

    Raises:
        OptionError: One is not there, or cannot be decoded.
    """
    for label in labels:
        image = open_photograph(label, limits)
        try:
            image.decode_full()
        except ImageError as error:
            raise OptionError(f"the photograph {label.path} cannot be read: {error}") from error


def parse_labels(document: object, images: Path) -> list[LabelledImage]:
    """Return the labelled photographs of a document that has been read as JSON.

    Raises:
        CatalogError: An entry is missing or of the wrong type.
    """
    if not isinstance(document, list) or not document:
        raise CatalogError("it is not a list of pictures")
    faces_by_image = [_parse_faces(entry, f"[{place}]") for place, entry in enumerate(document)]
    has_levels = any("wider_levels" in face for faces in faces_by_image for face in faces)
    return [
        _parse_image(entry, faces, images, f"[{place}]", has_levels=has_levels)
        for place, (entry, faces) in enumerate(zip(document, faces_by_image, strict=True))
    ]


def _parse_image(
    entry: Mapping[str, Any],
    faces: Sequence[Mapping[str, Any]],
    images: Path,
    where: str,
    *,
    has_levels: bool,
) -> LabelledImage:
    levels = [_get_levels(face) for face in faces]
    counted = {level: np.array([level in each for each in levels], bool) for level in LEVELS}
    if not has_levels:
        counted[ALL] = np.array([_is_plain(face) for face in faces], bool)
    points = [_parse_landmarks(face, where) for face in faces]
    return LabelledImage(
        path=images / read_text(entry.get("image"), f"{where}.image"),
        faces=np.array([_parse_box(face, where) for face in faces], np.float32).reshape(-1, 4),
        counted=counted,
        landmarks=np.array(points, np.float32).reshape(-1, LANDMARK_COUNT, 2),
    )


def _parse_faces(entry: Any, where: str) -> list[dict[str, Any]]:  # noqa: ANN401  JSON's
    if not isinstance(entry, dict) or not isinstance(entry.get("faces"), list):
        raise CatalogError(f"{where} is not a picture with its faces")
    return [_check_face(face, where) for face in entry["faces"]]


def _check_face(face: object, where: str) -> dict[str, Any]:
    if not isinstance(face, dict):
        raise CatalogError(f"{where} has a face that is {face!r}, not an object")
    return face


def _get_levels(face: Mapping[str, Any]) -> tuple[str, ...]:
    return () if face.get("invalid") else tuple(face.get("wider_levels") or ())


def _is_plain(face: Mapping[str, Any]) -> bool:
    return not face.get("invalid") and not face.get("difficult")


def _parse_box(face: Mapping[str, Any], where: str) -> tuple[float, ...]:
    box = face.get("box")
    if not isinstance(box, list) or len(box) != len(BOX_SIDES):
        raise CatalogError(f"{where} has a face without a box of four numbers")
    return tuple(read_number(number, f"{where}.box") for number in box)


def _parse_landmarks(face: Mapping[str, Any], where: str) -> list[tuple[float, float]]:
    """Return five points, NaN if there are none."""
    points = face.get("landmarks")
    if points is None:
        return [(nan, nan)] * LANDMARK_COUNT
    if not isinstance(points, list) or len(points) != LANDMARK_COUNT:
        raise CatalogError(f"{where} has a face whose landmarks are not five points")
    return [_parse_point(point, f"{where}.landmarks") for point in points]


def _parse_point(point: object, where: str) -> tuple[float, float]:
    if not isinstance(point, list) or len(point) != len(("x", "y")):
        raise CatalogError(f"{where} has {point!r}, not a point of two numbers")
    return read_number(point[0], where), read_number(point[1], where)
