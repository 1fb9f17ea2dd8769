"""WIDER FACE as it is distributed: its text of boxes, and its lists of faces that count at a level.

``wider_face_split/wider_face_val_bbx_gt.txt`` is a face list with ten numbers for each face: x, y,
width, height, blur, expression, illumination, invalid, occlusion, pose. Pictures lie in
``WIDER_val/images/``. ``ground_truth/wider_easy_val.mat``, and those of medium and hard, belong
to the benchmark's evaluation code; without them a face counts by its height alone, which is
the same for 97 of 100 faces (of 5084 in 394 pictures of the validation set; the others have
exactly the height of a limit, or lie on their side).
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from phiz.errors import CatalogError
from phiz.lab.accuracy.face_lists import parse_face_list
from phiz.lab.accuracy.labels import LEVELS, LabelledImage, label_boxes
from phiz.lab.accuracy.photos import name_unreadable

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


def find_boxes_file(folder: Path) -> Path | None:
    """Return the text of boxes that belongs to a folder, that of validation first, or None."""
    found = [path for inner in BOXES_FOLDERS for path in sorted((folder / inner).glob(BOXES_GLOB))]
    return max(found, key=lambda path: "_val_" in path.name, default=None)


def read_wider(folder: Path, boxes_file: Path) -> list[LabelledImage]:
    """Return the labelled photographs of WIDER FACE.

    Args:
        folder: Parent of the pictures and lists.
        boxes_file: The text of boxes.

    Raises:
        OptionError: A file cannot be read, or is not as it should be.
    """
    split = boxes_file.name.split("_")[2]  # train, val
    images = _find_images(folder, split)
    with name_unreadable(f"{boxes_file} or its lists"):
        pictures = list(parse_face_list(boxes_file.read_text("utf-8"), FACE_NUMBERS))
        lists = {
            level: _find_counted_faces(folder, f"wider_{level}_{split}.mat") for level in LEVELS
        }
    return [_label_picture(images, lists, path, faces) for path, faces in pictures]


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


def _find_counted_faces(folder: Path, name: str) -> CountedFaces | None:
    """Return the lists of a level, or None where the file is missing."""
    paths = (folder / inner / name for inner in MAT_FOLDERS)
    return next((read_counted_faces(path) for path in paths if path.exists()), None)


def _find_images(folder: Path, split: str) -> Path:
    """Return the folder of the pictures; the usual one where there is none of them."""
    usual = folder / f"WIDER_{split}" / "images"
    places = (usual, usual.parent, folder / "images", folder.parent / f"WIDER_{split}" / "images")
    return next((path for path in places if path.is_dir()), usual)


def _label_picture(
    images: Path, lists: Mapping[str, CountedFaces | None], path: str, faces: NDArray[np.float64]
) -> LabelledImage:
    """Return a photograph whose faces are rows of numbers (F, 10)."""
    corners, sizes = faces[:, :2], faces[:, 2:4]  # (F, 2) each
    counted = {}
    for level, faces_by_path in lists.items():
        if faces_by_path is None:
            is_valid = faces[:, INVALID_INDEX] == 0  # (F,)
            counted[level] = is_valid & (sizes[:, 1] >= LEAST_HEIGHT_PX[level])
        else:
            numbers = np.arange(1, len(faces) + 1)
            counted[level] = np.isin(numbers, faces_by_path.get(path, []))
    boxes = np.concatenate([corners, corners + sizes], axis=1).astype(np.float32)  # (F, 4)
    return label_boxes(images / PurePosixPath(path), boxes, counted)
