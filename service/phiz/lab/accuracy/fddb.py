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
from phiz.lab.accuracy.labels import ALL, POINTS, Labelled

ENDING: Final = "-ellipseList.txt"
NAMES: Final = f"FDDB-fold-*{ENDING}"
TEXT_FOLDERS: Final = (".", "FDDB-folds")
IMAGE_FOLDERS: Final = ("originalPics", ".")
NUMBERS: Final = 6  # of a line that describes a face


def find_folds(folder: Path) -> list[Path]:
    """Return the lists of ellipses that belong to a folder."""
    return [path for inner in TEXT_FOLDERS for path in sorted((folder / inner).glob(NAMES))]


def read_fddb(folder: Path, folds: list[Path]) -> list[Labelled]:
    """Return the labelled photographs of FDDB.

    Args:
        folder: Where pictures are looked for.
        folds: Lists of ellipses.

    Raises:
        OptionError: A list cannot be read, or is not as it should be.
    """
    faces: dict[str, Boxes] = {}
    for fold in folds:
        listed = fold.with_name(fold.name.removesuffix(ENDING) + ".txt")
        try:
            names = listed.read_text("utf-8").split() if listed.exists() else []
            faces |= {name: np.zeros((0, 4), np.float32) for name in names}
            faces |= dict(parse_ellipses(fold.read_text("utf-8")))
        except (OSError, ValueError, CatalogError) as error:
            raise OptionError(f"{fold} cannot be read: {error}") from error
    images = next(folder / inner for inner in IMAGE_FOLDERS if (folder / inner).is_dir())
    return [_labelled(images / f"{name}.jpg", boxes) for name, boxes in faces.items()]


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
        rows = [_numbers(name, next(filled, "")) for _ in range(int(count))]
        yield name, boxes_around(np.array(rows, float).reshape(-1, NUMBERS))


def boxes_around(ellipses: NDArray[np.float64]) -> Boxes:
    """Return the upright boxes (F, 4) around ellipses (F, 6), in the order of the lists.

    An ellipse of radii a and b that is turned by t reaches √(a² cos² t + b² sin² t) to either
    side and √(a² sin² t + b² cos² t) up and down.
    """
    major, minor, angle = ellipses[:, 0], ellipses[:, 1], ellipses[:, 2]  # (F,) each
    across = np.hypot(major * np.cos(angle), minor * np.sin(angle))  # (F,)
    along = np.hypot(major * np.sin(angle), minor * np.cos(angle))  # (F,)
    centre, half = ellipses[:, 3:5], np.stack([across, along], axis=1)  # (F, 2) each
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def _numbers(name: str, line: str) -> list[float]:
    try:
        numbers = [float(each) for each in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != NUMBERS:
        raise CatalogError(f"{name} has {line!r}, not the {NUMBERS} numbers of a face")
    return numbers


def _labelled(path: Path, boxes: Boxes) -> Labelled:
    points = np.full((len(boxes), POINTS, 2), np.nan, np.float32)
    return Labelled(path, boxes, {ALL: np.ones(len(boxes), bool)}, points)
