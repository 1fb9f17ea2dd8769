"""Photographs whose faces are labelled, as the gates need them.

A folder has ``wider/images/`` and ``wider/annotations.json``, a list of pictures: ``image``,
its file, and ``faces``, each with ``box`` (x1, y1, x2, y2), ``wider_levels`` (those of the
WIDER FACE benchmark at which it counts) and ``invalid``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phiz.errors import CatalogError, ImageError, OptionError
from phiz.faces import Boxes
from phiz.image import Limits, open_picture
from phiz.measure.precision import Mask
from phiz.picture import Picture
from phiz.tables import read_number, read_text

FOLDER: Final = "wider"
LEVELS: Final = ("easy", "medium", "hard")
SIDES: Final = ("x1", "y1", "x2", "y2")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A photograph and its faces.

    Attributes:
        path: Of the picture.
        faces: (F, 4).
        counted: By level, (F,), true for the faces that are to be found.
    """

    path: Path
    faces: Boxes
    counted: Mapping[str, Mask]


def read_labels(folder: Path) -> list[Labelled]:
    """Return the labelled photographs of a folder.

    Raises:
        OptionError: The folder does not have them, or they are not as they should be.
    """
    path = folder / FOLDER / "annotations.json"
    try:
        return parse_labels(json.loads(path.read_text("utf-8")), path.parent / "images")
    except (OSError, ValueError, CatalogError) as error:
        raise OptionError(f"{path} cannot be read: {error}") from error


def open_photograph(label: Labelled, limits: Limits) -> Picture:
    """Return a labelled photograph, which is decoded when it is asked for its pixels.

    Raises:
        OptionError: It is not there, or not a picture within the limits.
    """
    try:
        return open_picture(label.path.read_bytes(), limits)
    except (OSError, ImageError) as error:
        raise OptionError(f"the photograph {label.path} cannot be read: {error}") from error


def check_photographs(labels: Iterable[Labelled], limits: Limits) -> None:
    """Decode all photographs once, so that none can fail in the middle of a measurement.

    Raises:
        OptionError: One is not there, or cannot be decoded.
    """
    for label in labels:
        picture = open_photograph(label, limits)
        try:
            picture.whole()
        except ImageError as error:
            raise OptionError(f"the photograph {label.path} cannot be read: {error}") from error


def parse_labels(document: object, images: Path) -> list[Labelled]:
    """Return the labelled photographs of a document that has been read as JSON.

    Raises:
        CatalogError: An entry is missing or of the wrong type.
    """
    if not isinstance(document, list) or not document:
        raise CatalogError("it is not a list of pictures")
    return [_labelled(entry, images, f"[{place}]") for place, entry in enumerate(document)]


def _labelled(entry: Any, images: Path, where: str) -> Labelled:  # noqa: ANN401  JSON's
    if not isinstance(entry, dict) or not isinstance(entry.get("faces"), list):
        raise CatalogError(f"{where} is not a picture with its faces")
    faces = [_face(face, where) for face in entry["faces"]]
    levels = [_levels(face) for face in faces]
    return Labelled(
        path=images / read_text(entry.get("image"), f"{where}.image"),
        faces=np.array([_box(face, where) for face in faces], np.float32).reshape(-1, 4),
        counted={level: np.array([level in each for each in levels], bool) for level in LEVELS},
    )


def _face(face: object, where: str) -> dict[str, Any]:
    if not isinstance(face, dict):
        raise CatalogError(f"{where} has a face that is {face!r}, not an object")
    return face


def _levels(face: Mapping[str, Any]) -> tuple[str, ...]:
    return () if face.get("invalid") else tuple(face.get("wider_levels") or ())


def _box(face: Mapping[str, Any], where: str) -> tuple[float, ...]:
    box = face.get("box")
    if not isinstance(box, list) or len(box) != len(SIDES):
        raise CatalogError(f"{where} has a face without a box of four numbers")
    return tuple(read_number(number, f"{where}.box") for number in box)
