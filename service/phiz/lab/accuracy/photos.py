"""Photographs of one known class each.

A folder of data has ``photos/`` with ``images/`` and ``labels.json``, a list of
``{"image", "class_index"}``. The ranges of 8 bits are measured on the pictures at odd places
of the list, from 0, and what they cost on the others.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from phiz.errors import CatalogError, ImageError, OptionError
from phiz.models.documents import STRICT, Text, read_document
from phiz.models.specs import CLASS_COUNT

PHOTOS_FOLDER: Final = "photos"
CALIBRATION_PART: Final = slice(1, None, 2)
TEST_PART: Final = slice(0, None, 2)


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and the index of its class."""

    path: Path
    class_index: int


@dataclass(frozen=True, slots=True)
class _LabelledPhoto:
    image: Text
    class_index: Annotated[int, Field(ge=0, lt=CLASS_COUNT)]


_LABELS: Final = TypeAdapter(list[_LabelledPhoto], config=STRICT)


def read_photos(data: Path, part: slice) -> list[Photo]:
    """Return a part of the photographs.

    Raises:
        OptionError: The folder does not have them, or they are not as they should be.
    """
    path = data / PHOTOS_FOLDER / "labels.json"
    with name_unreadable(path):
        labels = read_document(_LABELS, path.read_text("utf-8"))
    images = path.parent / "images"
    return [Photo(images / label.image, label.class_index) for label in labels[part]]


@contextmanager
def name_unreadable(what: object) -> Iterator[None]:
    """Name a file or a photograph that cannot be read.

    Raises:
        OptionError: It is not there, or not as it should be.
    """
    try:
        yield
    except (OSError, UnicodeError, CatalogError, ImageError) as error:
        raise OptionError(f"{what} cannot be read: {error}") from error
