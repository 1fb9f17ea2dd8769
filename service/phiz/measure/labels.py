"""Photographs whose faces are labelled, as the gates need them.

A folder has ``wider/images/`` and ``wider/annotations.json``, a list of pictures: ``image``,
its file, and ``faces``, each with ``box`` (x1, y1, x2, y2), ``wider_levels`` (those of the
WIDER FACE benchmark at which it counts) and ``invalid``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from phiz.errors import CatalogError, OptionError
from phiz.faces import Boxes
from phiz.measure.precision import Mask
from phiz.tables import read_number, read_text

FOLDER: Final = "wider"
LEVELS: Final = ("easy", "medium", "hard")


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
    faces = [face for face in entry["faces"] if isinstance(face, dict)]
    levels = [_levels(face) for face in faces]
    return Labelled(
        path=images / read_text(entry.get("image"), f"{where}.image"),
        faces=np.array([_box(face, where) for face in faces], np.float32).reshape(-1, 4),
        counted={level: np.array([level in each for each in levels], bool) for level in LEVELS},
    )


def _levels(face: Mapping[str, Any]) -> tuple[str, ...]:
    return () if face.get("invalid") else tuple(face.get("wider_levels") or ())


def _box(face: Mapping[str, Any], where: str) -> tuple[float, ...]:
    box = face.get("box")
    if not isinstance(box, list) or len(box) != len(("x1", "y1", "x2", "y2")):
        raise CatalogError(f"{where} has a face without a box of four numbers")
    return tuple(read_number(number, f"{where}.box") for number in box)
