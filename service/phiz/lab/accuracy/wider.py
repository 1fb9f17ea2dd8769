"""WIDER FACE as it is distributed: its text of boxes, and its lists of what counts at a level.

``wider_face_split/wider_face_val_bbx_gt.txt`` has for each picture its path, the number of its
faces and a line for each: x, y, width, height, blur, expression, illumination, invalid,
occlusion, pose. A picture without faces has one line of zeros. Pictures lie in
``WIDER_val/images/``. ``ground_truth/wider_easy_val.mat``, and those of medium and hard, belong
to the benchmark's evaluation code; without them a face counts by its height alone, which is
the same for 97 of 100 faces (of 5084 in 394 pictures of the validation set; the others have
exactly the height of a limit, or lie on their side).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import numpy as np

from phiz.errors import CatalogError, OptionError
from phiz.faces import Boxes
from phiz.lab.accuracy.labels import LEVELS, POINTS, Labelled
from phiz.lab.accuracy.matfile import read_mat
from phiz.lab.accuracy.precision import Mask

NAMES: Final = "wider_face_*_bbx_gt.txt"
TEXT_FOLDERS: Final = (".", "wider_face_split")
MAT_FOLDERS: Final = (".", "wider_face_split", "ground_truth", "eval_tools/ground_truth")
NUMBERS: Final = 10  # of a line that describes a face
INVALID: Final = 7  # the place of the mark among them
LEAST_HEIGHT_PX: Final[Mapping[str, int]] = {"easy": 50, "medium": 30, "hard": 10}

Lists: TypeAlias = Mapping[str, Sequence[int]]
"""By path of the picture, the faces that count, from 1."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture of the text: its path below the pictures' folder, and its faces.

    Attributes:
        path: With forward slashes.
        boxes: (F, 4), x1 y1 x2 y2.
        valid: (F,), false for what was marked as too poor to be found.
    """

    path: str
    boxes: Boxes
    valid: Mask


def find_text(folder: Path) -> Path | None:
    """Return the text of boxes that belongs to a folder, that of validation first, or None."""
    found = [path for inner in TEXT_FOLDERS for path in sorted((folder / inner).glob(NAMES))]
    return max(found, key=lambda path: "_val_" in path.name, default=None)


def read_wider(folder: Path, text: Path) -> list[Labelled]:
    """Return the labelled photographs of WIDER FACE.

    Args:
        folder: Where pictures and lists are looked for.
        text: Of boxes.

    Raises:
        OptionError: A file cannot be read, or is not as it should be.
    """
    split = text.name.split("_")[2]  # train, val
    images = _images(folder, split)
    try:
        entries = list(parse_text(text.read_text("utf-8")))
        lists = {level: _lists(folder, f"wider_{level}_{split}.mat") for level in LEVELS}
    except (OSError, ValueError, CatalogError) as error:
        raise OptionError(f"{text} or its lists cannot be read: {error}") from error
    return [_labelled(entry, images, lists) for entry in entries]


def parse_text(text: str) -> Iterator[Entry]:
    """Yield the pictures of a text of boxes.

    Raises:
        CatalogError: It breaks off, or a line is not what it should be.
    """
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        path = line.strip()
        if not path:
            continue
        _, count = next(lines, (0, ""))
        if not re.fullmatch(r"\d+", count.strip()):
            raise CatalogError(f"line {number + 1} is {count!r}, not a number of faces")
        # One line of zeros follows where there is no face.
        rows = [_numbers(*next(lines, (0, ""))) for _ in range(max(1, int(count)))]
        faces = np.array(rows[: int(count)], np.float32).reshape(-1, NUMBERS)  # (F, 10)
        boxes = np.concatenate([faces[:, :2], faces[:, :2] + faces[:, 2:4]], axis=1)  # (F, 4)
        yield Entry(path, boxes, faces[:, INVALID] == 0)


def parse_lists(document: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return which faces count, of a list of the benchmark.

    Raises:
        CatalogError: It is not such a list.
    """
    try:
        events = zip(
            document["event_list"], document["file_list"], document["gt_list"], strict=True
        )
        return {
            f"{event}/{name}.jpg": [int(place) for place in np.asarray(places).ravel()]
            for event, names, lists in events
            for name, places in zip(names, lists, strict=True)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogError(f"it is not a list of WIDER FACE: {error}") from error


def _lists(folder: Path, name: str) -> Lists | None:
    """Return the lists of a level, or None where the file is missing."""
    for inner in MAT_FOLDERS:
        path = folder / inner / name
        if path.exists():
            return parse_lists(read_mat(path.read_bytes()))
    return None


def _images(folder: Path, split: str) -> Path:
    """Return the folder of the pictures; the usual one where there is none of them."""
    usual = folder / f"WIDER_{split}" / "images"
    places = (usual, usual.parent, folder / "images", folder.parent / f"WIDER_{split}" / "images")
    return next((path for path in places if path.is_dir()), usual)


def _numbers(number: int, line: str) -> list[float]:
    try:
        numbers = [float(each) for each in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != NUMBERS:
        raise CatalogError(f"line {number} is {line!r}, not the {NUMBERS} numbers of a face")
    return numbers


def _labelled(entry: Entry, images: Path, lists: Mapping[str, Lists | None]) -> Labelled:
    return Labelled(
        path=images / PurePosixPath(entry.path),
        faces=entry.boxes,
        counted={level: _counted(entry, level, lists[level]) for level in LEVELS},
        landmarks=np.full((len(entry.boxes), POINTS, 2), np.nan, np.float32),
    )


def _counted(entry: Entry, level: str, lists: Lists | None) -> Mask:
    """Return which faces (F,) count at a level."""
    if lists is None:
        heights = entry.boxes[:, 3] - entry.boxes[:, 1]  # (F,)
        tall: Mask = entry.valid & (heights >= LEAST_HEIGHT_PX[level])
        return tall
    return np.isin(np.arange(1, len(entry.boxes) + 1), lists.get(entry.path, []))
