"""FDDB as it is distributed: folds of pictures, and an ellipse for each face.

``FDDB-folds/FDDB-fold-01-ellipseList.txt`` has for each picture its path without ``.jpg``, the
number of its faces and a line for each: the major and the minor radius, the angle of the major
axis, radians, the centre's x and y, and 1. ``FDDB-fold-01.txt`` lists the pictures, also those
without faces, which lie in ``originalPics/``. Here a face is the upright box around its ellipse.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from phiz.errors import CatalogError, OptionError
from phiz.faces import Boxes
from phiz.lab.accuracy.labels import ALL, LANDMARK_COUNT, LabelledImage

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
        folder: Where pictures are looked for.
        folds: Lists of ellipses.

    Raises:
        OptionError: A list cannot be read, or is not as it should be.
    """
    faces: dict[str, Boxes] = {}
    for fold in folds:
        listed = fold.with_name(fold.name.removesuffix(LIST_SUFFIX) + ".txt")
        try:
            names = listed.read_text("utf-8").split() if listed.exists() else []
            faces |= {name: np.zeros((0, 4), np.float32) for name in names}
            faces |= dict(parse_ellipses(fold.read_text("utf-8")))
        except (OSError, ValueError, CatalogError) as error:
            raise OptionError(f"{fold} cannot be read: {error}") from error
    images = next(folder / inner for inner in IMAGE_FOLDERS if (folder / inner).is_dir())
    return [_to_labelled_image(images / f"{name}.jpg", boxes) for name, boxes in faces.items()]


def parse_ellipses(text: str) -> Iterator[tuple[str, Boxes]]:
    """Yield the pictures of a list of ellipses, each with its boxes (F, 4).

    Raises:
        CatalogError: It breaks off, or a line is not what it should be.
    """
    lines = (line.strip() for line in text.splitlines())
    filled = iter([line for line in lines if line])
    for name in filled:
        count = next(filled, "")
        if not count.isdecimal():
            raise CatalogError(f"after {name} comes {count!r}, not a number of faces")
        rows = [_parse_numbers(name, next(filled, "")) for _ in range(int(count))]
        yield name, bound_ellipses(np.array(rows, float).reshape(-1, ELLIPSE_NUMBERS))


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


def _parse_numbers(name: str, line: str) -> list[float]:
    try:
        numbers = [float(each) for each in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != ELLIPSE_NUMBERS:
        raise CatalogError(f"{name} has {line!r}, not the {ELLIPSE_NUMBERS} numbers of a face")
    return numbers


def _to_labelled_image(path: Path, boxes: Boxes) -> LabelledImage:
    points = np.full((len(boxes), LANDMARK_COUNT, 2), np.nan, np.float32)
    return LabelledImage(path, boxes, {ALL: np.ones(len(boxes), bool)}, points)
