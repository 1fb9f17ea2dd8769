"""Labelled photographs in folders, and the kinds of data sets.

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
"""The labels: all faces, one face of each picture with its landmarks, no face at all, or none for
successive frames of one head."""

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
        name: Name of the folder.
        kind: Kind of the labels, which decides on the measurements.
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
    if frames:
        nothing, counted = np.zeros((0, 4), np.float32), {ALL: np.zeros(0, bool)}
        film = [labels.label_boxes(path, nothing, counted) for path in frames]
        return Dataset(name, "film", tuple(film))
    return None


def build_dataset(name: str, photographs: Sequence[LabelledImage]) -> Dataset:
    """Return photographs as a data set of the kind that their labels tell."""
    has_levels = any(label.counted[level].any() for label in photographs for level in LEVELS)
    kind: DatasetKind = "scenes"
    if not any(len(label.faces) for label in photographs):
        kind = "faceless"
    # One face each, with landmarks: bystanders may not be labelled.
    elif not has_levels and all(
        len(label.faces) == 1 and np.isfinite(label.landmarks).all() for label in photographs
    ):
        kind = "portraits"
    return Dataset(name, kind, tuple(photographs), LEVELS if has_levels else (ALL,))


def _list_frames(folder: Path) -> list[Path]:
    """Return the files of a folder if all of them are pictures with numbers for names."""
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    are_frames = all(
        path.stem.isdecimal() and path.suffix.lower() in FRAME_SUFFIXES for path in files
    )
    return files if are_frames and len(files) > 1 else []
