"""Whether the labelled photographs that a study was given can be judged by."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from phiz.errors import ImageError, OptionError
from phiz.image.decode import open_image
from phiz.lab.accuracy import labels
from phiz.lab.accuracy.labels import LEVELS, PHOTOGRAPH_LIMITS, LabelledImage, check_photographs
from phiz.lab.accuracy.photos import TEST_PART, Photo, read_photos
from phiz.models.specs import ModelSpec


def check_study_data(data: Path, models: Iterable[ModelSpec]) -> None:
    """Read all photographs once, so that none can end a study after an hour.

    Args:
        data: Folder of labelled photographs.
        models: That are judged: of faces by ``wider/``, of classes by ``photos/``.

    Raises:
        OptionError: There are none, one cannot be read, or the labels say too little.
    """
    groups = {model.group for model in models}
    if "classify" in groups:
        _check_photos(read_photos(data, TEST_PART), data)
    if "face" in groups:
        labelled_images = labels.read_wider_labels(data)
        _check_levels(labelled_images, data / labels.WIDER_FOLDER / labels.ANNOTATIONS_FILE)
        check_photographs(labelled_images, PHOTOGRAPH_LIMITS)


def _check_photos(photos: Sequence[Photo], data: Path) -> None:
    if not photos:
        raise OptionError(f"{data} has no photographs to judge classifiers by: photos/ is empty")
    for photo in photos:
        try:
            open_image(photo.path.read_bytes(), PHOTOGRAPH_LIMITS).decode_full()
        except (OSError, ImageError) as error:
            raise OptionError(f"the photograph {photo.path} cannot be read: {error}") from error


def _check_levels(labels: Sequence[LabelledImage], path: Path) -> None:
    counted = {level for each in labels for level in LEVELS if each.counted[level].any()}
    if missing := [level for level in LEVELS if level not in counted]:
        raise OptionError(
            f"{path} has no face of the level {', '.join(missing)}, without which there is no"
            " average precision; label faces with wider_levels"
        )
