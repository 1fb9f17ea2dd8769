"""Whether the labelled photographs that a study was given can be judged by."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from phiz.errors import ImageError, OptionError
from phiz.image.decode import open_picture
from phiz.lab.accuracy import labels
from phiz.lab.accuracy.labels import LEVELS, LIMITS, Labelled, check_photographs
from phiz.lab.accuracy.photos import JUDGED, Photo, read_photos
from phiz.models.specs import ModelCard


def check_data(data: Path, models: Iterable[ModelCard]) -> None:
    """Read all photographs once, so that none can end a study after an hour.

    Args:
        data: Folder of labelled photographs.
        models: That are judged: of faces by ``wider/``, of classes by ``photos/``.

    Raises:
        OptionError: There are none, one cannot be read, or the labels say too little.
    """
    groups = {model.group for model in models}
    if "classify" in groups:
        _check_photos(read_photos(data, JUDGED), data)
    if "face" in groups:
        labelled = labels.read_labels(data)
        _check_levels(labelled, data / labels.FOLDER / labels.FILE)
        check_photographs(labelled, LIMITS)


def _check_photos(photos: Sequence[Photo], data: Path) -> None:
    if not photos:
        raise OptionError(f"{data} has no photographs to judge classifiers by: photos/ is empty")
    for photo in photos:
        try:
            open_picture(photo.path.read_bytes(), LIMITS).whole()
        except (OSError, ImageError) as error:
            raise OptionError(f"the photograph {photo.path} cannot be read: {error}") from error


def _check_levels(labelled: Sequence[Labelled], path: Path) -> None:
    counted = {level for each in labelled for level in LEVELS if each.counted[level].any()}
    if missing := [level for level in LEVELS if level not in counted]:
        raise OptionError(
            f"{path} has no face of the level {', '.join(missing)}, without which there is no"
            " average precision; label faces with wider_levels"
        )
