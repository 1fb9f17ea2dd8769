"""Photographs of which it is known what they show.

A folder of data has ``photos/`` with ``images/`` and ``labels.json``, a list of
``{"image", "class_index"}``. The ranges of 8 bits are measured on the pictures at odd places
of the list, from 0, and what they cost on the others.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from phiz.errors import CatalogError, OptionError
from phiz.models.specs import CLASS_COUNT
from phiz.models.tables import read_text

PHOTOS_FOLDER: Final = "photos"
CALIBRATION_PART: Final = slice(1, None, 2)
TEST_PART: Final = slice(0, None, 2)


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and the index of its class."""

    path: Path
    class_index: int


def read_photos(data: Path, part: slice) -> list[Photo]:
    """Return a part of the photographs.

    Raises:
        OptionError: The folder does not have them, or they are not as they should be.
    """
    path = data / PHOTOS_FOLDER / "labels.json"
    try:
        return parse_photos(json.loads(path.read_text("utf-8")), path.parent / "images")[part]
    except (OSError, ValueError, CatalogError) as error:
        raise OptionError(f"{path} cannot be read: {error}") from error


def parse_photos(document: object, images: Path) -> list[Photo]:
    """Return the photographs of a document that has been read as JSON.

    Raises:
        CatalogError: An entry is missing or of the wrong type.
    """
    if not isinstance(document, list):
        raise CatalogError("it is not a list of pictures")
    return [_parse_photo(entry, images) for entry in document]


def _parse_photo(entry: Any, images: Path) -> Photo:  # noqa: ANN401  JSON's
    if not isinstance(entry, dict):
        raise CatalogError(f"{entry!r} is not a picture and its class")
    index = entry.get("class_index")
    if not isinstance(index, int) or not 0 <= index < CLASS_COUNT:
        raise CatalogError(f"class_index is {index!r}; it must be from 0 to {CLASS_COUNT - 1}")
    return Photo(images / read_text(entry.get("image"), "image"), index)
