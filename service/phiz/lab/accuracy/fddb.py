"""FDDB as it is distributed: folds of pictures, and an ellipse for each face.

``FDDB-folds/FDDB-fold-01-ellipseList.txt`` is a face list with six numbers for each face: the major
and the minor radius, the angle of the major axis, radians, the centre's x and y, and 1. Paths lack
``.jpg``. ``FDDB-fold-01.txt`` lists the pictures, also those without faces, which lie in
``originalPics/``. Here a face is the upright box around its ellipse.
"""

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz.faces import Boxes
from phiz.lab.accuracy.face_lists import parse_face_list
from phiz.lab.accuracy.labels import ALL, LabelledImage, label_boxes
from phiz.lab.accuracy.photos import name_unreadable

LIST_SUFFIX: Final = "-ellipseList.txt"
FOLD_GLOB: Final = f"FDDB-fold-*{LIST_SUFFIX}"
FOLD_FOLDERS: Final = (".", "FDDB-folds")
IMAGE_FOLDERS: Final = ("originalPics", ".")
ELLIPSE_NUMBERS: Final = 6  # of a line that describes a face


def find_folds(folder: Path) -> list[Path]:
    """Return the lists of ellipses that belong to a folder."""
    return [path for inner in FOLD_FOLDERS for path in sorted((folder / inner).glob(FOLD_GLOB))]


def read_fddb(folder: Path, folds: list[Path]) -> list[LabelledImage]:
    """Return the labelled photographs of FDDB.

    Args:
        folder: Parent of the folder of pictures.
        folds: Lists of ellipses.

    Raises:
        OptionError: A list cannot be read, or is not as it should be.
    """
    ellipses: dict[str, NDArray[np.float64]] = {}
    for fold in folds:
        listed = fold.with_name(fold.name.removesuffix(LIST_SUFFIX) + ".txt")
        with name_unreadable(fold):
            names = listed.read_text("utf-8").split() if listed.exists() else []
            ellipses |= dict.fromkeys(names, np.zeros((0, ELLIPSE_NUMBERS)))
            ellipses |= dict(parse_face_list(fold.read_text("utf-8"), ELLIPSE_NUMBERS))
    images = next(folder / inner for inner in IMAGE_FOLDERS if (folder / inner).is_dir())
    return [_label_ellipses(images / f"{name}.jpg", each) for name, each in ellipses.items()]


def bound_ellipses(ellipses: NDArray[np.float64]) -> Boxes:
    """Return the upright boxes (F, 4) around ellipses (F, 6), in the order of the lists.

    An ellipse of radii a and b that is turned by t reaches √(a² cos² t + b² sin² t) to either
    side and √(a² sin² t + b² cos² t) up and down.
    """
    major, minor, angle = ellipses[:, 0], ellipses[:, 1], ellipses[:, 2]  # (F,) each
    across = np.hypot(major * np.cos(angle), minor * np.sin(angle))  # (F,)
    along = np.hypot(major * np.sin(angle), minor * np.cos(angle))  # (F,)
    centre, half = ellipses[:, 3:5], np.stack([across, along], axis=1)  # (F, 2) each
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def _label_ellipses(path: Path, ellipses: NDArray[np.float64]) -> LabelledImage:
    return label_boxes(path, bound_ellipses(ellipses), {ALL: np.ones(len(ellipses), bool)})
