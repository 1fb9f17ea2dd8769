"""Photographs of which it is known what they show.

A folder of data has ``photos/`` with ``images/`` and ``labels.json``, a list of
``{"image", "class_index"}``. The ranges of 8 bits are measured on the pictures at odd places
of the list, from 0, and what they cost on the others.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

CALIBRATED: Final = slice(1, None, 2)
JUDGED: Final = slice(0, None, 2)


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and the index of its class."""

    path: Path
    class_index: int


def photos(data: Path, part: slice) -> list[Photo]:
    """Return a part of the photographs."""
    folder = data / "photos"
    labels = json.loads((folder / "labels.json").read_text())[part]
    return [Photo(folder / "images" / each["image"], each["class_index"]) for each in labels]
