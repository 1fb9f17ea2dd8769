"""Labelled photographs as they lie in a folder, and what can be measured with them.

A folder of photographs is recognised by what it contains; a folder of such folders gives all
of them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np

from phiz.errors import OptionError
from phiz.lab.accuracy import labels
from phiz.lab.accuracy.fddb import find_folds, read_fddb
from phiz.lab.accuracy.labels import ALL, LEVELS, LabelledImage
from phiz.lab.accuracy.wider import find_boxes_file, read_wider

DatasetKind: TypeAlias = Literal["scenes", "portraits", "faceless", "film"]
"""What is labelled: all faces, one face of each picture with its landmarks, that there is
none, or nothing, in successive frames of one head."""

MAX_DEPTH: Final = 2  # of folders of folders
FRAME_SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
EXPECTED_LAYOUTS: Final = (
    "annotations.json with images/",
    "WIDER FACE (wider_face_val_bbx_gt.txt, also in wider_face_split/)",
    "FDDB (FDDB-fold-01-ellipseList.txt, also in FDDB-folds/)",
    "a folder of numbered frames",
    "or folders of these",
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Photographs that are measured together.

    Attributes:
        name: For people.
        kind: What can be measured.
        photographs: With their labels.
        levels: At which faces count; the last one takes in the others.
    """

    name: str
    kind: DatasetKind
    photographs: tuple[LabelledImage, ...]
    levels: tuple[str, ...] = (ALL,)

    def take_every(self, every: int, offset: int) -> "Dataset":
        """Return every n-th photograph from an offset on; of a film all frames, in their order."""
        if self.kind == "film":
            return self
        return replace(self, photographs=self.photographs[offset::every])


def find_datasets(folder: Path) -> list[Dataset]:
    """Return the data sets of a folder, or of the folders in it, by name.

    Raises:
        OptionError: There is none, or one is not as it should be.
    """
    found = list(_search_folder(folder, folder.resolve().name, MAX_DEPTH))
    if not found:
        raise OptionError(
            f"{folder} has no labelled photographs; looked for {', '.join(EXPECTED_LAYOUTS)}"
        )
    return found


def _search_folder(folder: Path, name: str, depth: int) -> Iterator[Dataset]:
    dataset = _read_dataset(folder, name)
    if dataset is not None:
        yield dataset
    elif depth:
        for inner in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from _search_folder(inner, inner.name, depth - 1)


def _read_dataset(folder: Path, name: str) -> Dataset | None:
    """Return the data set that lies directly in a folder, or None."""
    if (folder / labels.ANNOTATIONS_FILE).exists():
        return build_dataset(name, labels.read_annotations(folder))
    text, folds = find_boxes_file(folder), find_folds(folder)
    if text is not None:
        return Dataset(name, "scenes", tuple(read_wider(folder, text)), LEVELS)
    if folds:
        return Dataset(name, "scenes", tuple(read_fddb(folder, folds)))
    frames = _list_frames(folder)
    return Dataset(name, "film", tuple(map(_make_unlabelled, frames))) if frames else None


def build_dataset(name: str, photographs: Sequence[LabelledImage]) -> Dataset:
    """Return photographs as a data set of the kind that their labels tell."""
    has_levels = any(label.counted[level].any() for label in photographs for level in LEVELS)
    if has_levels:
        return Dataset(name, "scenes", tuple(photographs), LEVELS)
    if not any(len(label.faces) for label in photographs):
        return Dataset(name, "faceless", tuple(photographs))
    # One face each, with landmarks: whoever stands beside it may not be labelled.
    if all(len(label.faces) == 1 and np.isfinite(label.landmarks).all() for label in photographs):
        return Dataset(name, "portraits", tuple(photographs))
    return Dataset(name, "scenes", tuple(photographs))


def _list_frames(folder: Path) -> list[Path]:
    """Return the files of a folder if all of them are pictures with numbers for names."""
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    are_frames = all(
        path.stem.isdecimal() and path.suffix.lower() in FRAME_SUFFIXES for path in files
    )
    return files if are_frames and len(files) > 1 else []


def _make_unlabelled(path: Path) -> LabelledImage:
    nothing = np.zeros((0, 4), np.float32)
    return LabelledImage(path, nothing, {ALL: np.zeros(0, bool)}, np.zeros((0, 5, 2), np.float32))
