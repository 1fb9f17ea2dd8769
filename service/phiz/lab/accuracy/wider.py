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
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.errors import CatalogError, OptionError
from phiz.faces import Boxes
from phiz.lab.accuracy.labels import LANDMARK_COUNT, LEVELS, LabelledImage
from phiz.lab.accuracy.precision import Mask

BOXES_GLOB: Final = "wider_face_*_bbx_gt.txt"
BOXES_FOLDERS: Final = (".", "wider_face_split")
MAT_FOLDERS: Final = (".", "wider_face_split", "ground_truth", "eval_tools/ground_truth")
LISTS: Final = ("event_list", "file_list", "gt_list")
DAMAGES: Final = (
    *(AttributeError, KeyError, NotImplementedError, OSError, TypeError, ValueError),
    *(struct.error, zlib.error),
)
"""The errors of SciPy's reader for a damaged file, and ours for one that holds something else."""
FACE_NUMBERS: Final = 10  # of a line that describes a face
INVALID_INDEX: Final = 7  # the place of the mark among them
LEAST_HEIGHT_PX: Final[Mapping[str, int]] = {"easy": 50, "medium": 30, "hard": 10}

CountedFaces: TypeAlias = Mapping[str, Sequence[int]]
"""By path of the picture, the faces that count, from 1."""


@dataclass(frozen=True, slots=True)
class WiderEntry:
    """A picture of the text: its path below the pictures' folder, and its faces.

    Attributes:
        path: With forward slashes.
        boxes: (F, 4), x1 y1 x2 y2.
        valid: (F,), false for what was marked as too poor to be found.
    """

    path: str
    boxes: Boxes
    valid: Mask


def find_boxes_file(folder: Path) -> Path | None:
    """Return the text of boxes that belongs to a folder, that of validation first, or None."""
    found = [path for inner in BOXES_FOLDERS for path in sorted((folder / inner).glob(BOXES_GLOB))]
    return max(found, key=lambda path: "_val_" in path.name, default=None)


def read_wider(folder: Path, boxes_file: Path) -> list[LabelledImage]:
    """Return the labelled photographs of WIDER FACE.

    Args:
        folder: Where pictures and lists are looked for.
        boxes_file: Of boxes.

    Raises:
        OptionError: A file cannot be read, or is not as it should be.
    """
    split = boxes_file.name.split("_")[2]  # train, val
    images = _find_images(folder, split)
    try:
        entries = list(parse_boxes(boxes_file.read_text("utf-8")))
        lists = {
            level: _read_counted_faces(folder, f"wider_{level}_{split}.mat") for level in LEVELS
        }
    except (OSError, ValueError, CatalogError) as error:
        raise OptionError(f"{boxes_file} or its lists cannot be read: {error}") from error
    return [_to_labelled_image(entry, images, lists) for entry in entries]


def parse_boxes(text: str) -> Iterator[WiderEntry]:
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
        rows = [_parse_numbers(*next(lines, (0, ""))) for _ in range(max(1, int(count)))]
        faces = np.array(rows[: int(count)], np.float32).reshape(-1, FACE_NUMBERS)  # (F, 10)
        boxes = np.concatenate([faces[:, :2], faces[:, :2] + faces[:, 2:4]], axis=1)  # (F, 4)
        yield WiderEntry(path, boxes, faces[:, INVALID_INDEX] == 0)


def read_counted_faces(path: Path) -> dict[str, list[int]]:
    """Return which faces count, of a MATLAB file of the benchmark.

    Raises:
        CatalogError: It is not such a list, or SciPy is not installed.
    """
    try:
        from scipy.io import loadmat, matlab  # noqa: PLC0415  only the extra installs it
    except ModuleNotFoundError as error:
        raise CatalogError(
            f"{path.name} needs SciPy; install phiz with its extra: pip install 'phiz[lab]'"
        ) from error
    try:
        document = loadmat(path, variable_names=LISTS)
        events = zip(*(document[name].ravel() for name in LISTS), strict=True)
        return {
            f"{_get_word(event)}/{_get_word(name)}.jpg": [int(place) for place in places.ravel()]
            for event, names, lists in events
            for name, places in zip(names.ravel(), lists.ravel(), strict=True)
        }
    except (*DAMAGES, matlab.MatReadError) as error:
        raise CatalogError(
            f"{path.name} cannot be read as a list of WIDER FACE: {error}"
        ) from error


def _get_word(cell: NDArray[Any]) -> str:
    if cell.dtype.kind != "U":
        raise ValueError(f"it has {cell!r} in place of a text")
    return str(cell.item())


def _read_counted_faces(folder: Path, name: str) -> CountedFaces | None:
    """Return the lists of a level, or None where the file is missing."""
    for inner in MAT_FOLDERS:
        path = folder / inner / name
        if path.exists():
            return read_counted_faces(path)
    return None


def _find_images(folder: Path, split: str) -> Path:
    """Return the folder of the pictures; the usual one where there is none of them."""
    usual = folder / f"WIDER_{split}" / "images"
    places = (usual, usual.parent, folder / "images", folder.parent / f"WIDER_{split}" / "images")
    return next((path for path in places if path.is_dir()), usual)


def _parse_numbers(number: int, line: str) -> list[float]:
    try:
        numbers = [float(each) for each in line.split()]
    except ValueError:
        numbers = []
    if len(numbers) != FACE_NUMBERS:
        raise CatalogError(f"line {number} is {line!r}, not the {FACE_NUMBERS} numbers of a face")
    return numbers


def _to_labelled_image(
    entry: WiderEntry, images: Path, lists: Mapping[str, CountedFaces | None]
) -> LabelledImage:
    return LabelledImage(
        path=images / PurePosixPath(entry.path),
        faces=entry.boxes,
        counted={level: _mask_counted(entry, level, lists[level]) for level in LEVELS},
        landmarks=np.full((len(entry.boxes), LANDMARK_COUNT, 2), np.nan, np.float32),
    )


def _mask_counted(entry: WiderEntry, level: str, lists: CountedFaces | None) -> Mask:
    """Return which faces (F,) count at a level."""
    if lists is None:
        heights = entry.boxes[:, 3] - entry.boxes[:, 1]  # (F,)
        tall: Mask = entry.valid & (heights >= LEAST_HEIGHT_PX[level])
        return tall
    return np.isin(np.arange(1, len(entry.boxes) + 1), lists.get(entry.path, []))
