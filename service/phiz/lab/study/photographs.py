"""The images that models are judged on: labelled photographs, or drawn ones."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

from phiz.errors import OptionError
from phiz.image.lazy import LazyImage
from phiz.image.synthetic import draw_crowd
from phiz.lab.accuracy.labels import (
    ANNOTATIONS_FILE,
    LEVELS,
    PHOTOGRAPH_LIMITS,
    WIDER_FOLDER,
    LabelledImage,
    check_photographs,
    open_photograph,
    read_wider_labels,
)
from phiz.lab.accuracy.photos import TEST_PART, Photo, read_photos
from phiz.models.specs import ModelSpec

T = TypeVar("T")

DRAWN_SIZE_WH: Final = (960, 720)


def check_study_data(data: Path, models: Iterable[ModelSpec]) -> None:
    """Read all photographs once, so that none can end a study after an hour.

    Args:
        data: Folder of labelled photographs.
        models: The models to judge: of faces by ``wider/``, of classes by ``photos/``.

    Raises:
        OptionError: There are none, one cannot be read, or the labels say too little.
    """
    groups = {model.group for model in models}
    if "classify" in groups:
        photos = read_photos(data, TEST_PART)
        if not photos:
            raise OptionError(
                f"{data} has no photographs to judge classifiers by: photos/ is empty"
            )
        check_photographs(photos, PHOTOGRAPH_LIMITS)
    if "face" in groups:
        labels = read_wider_labels(data)
        _check_levels(labels, data / WIDER_FOLDER / ANNOTATIONS_FILE)
        check_photographs(labels, PHOTOGRAPH_LIMITS)


def open_photographs(
    photographs: Sequence[LabelledImage | Photo], drawn: int
) -> Iterator[LazyImage]:
    """Yield photographs, or so many drawn images where there are none.

    Raises:
        OptionError: One is not there, or is not an image.
    """
    for photograph in photographs:
        yield open_photograph(photograph, PHOTOGRAPH_LIMITS)
    for seed in range(0 if photographs else drawn):
        yield LazyImage.from_array(draw_crowd(*DRAWN_SIZE_WH, seed))


def sample_evenly(items: Sequence[T], most: int) -> Sequence[T]:
    """Return so many of some items at most, at even distances."""
    count = min(len(items), most)
    return [items[place * len(items) // count] for place in range(count)]


def _check_levels(labels: Sequence[LabelledImage], path: Path) -> None:
    counted = {level for each in labels for level in LEVELS if each.counted[level].any()}
    if missing := [level for level in LEVELS if level not in counted]:
        raise OptionError(
            f"{path} has no face of the level {', '.join(missing)}, without which there is no"
            " average precision; label faces with wider_levels"
        )
