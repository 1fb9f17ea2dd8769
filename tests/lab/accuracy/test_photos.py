import json
from pathlib import Path

import pytest

from phiz.errors import OptionError
from phiz.lab.accuracy.photos import CALIBRATION_PART, TEST_PART, Photo, read_photos


def folder(tmp_path: Path, labels: object) -> Path:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "labels.json").write_text(json.dumps(labels))
    return tmp_path


def test_half_is_calibrated_on_and_the_other_judged(tmp_path: Path) -> None:
    data = folder(tmp_path, [{"image": f"{n}.jpg", "class_index": n} for n in range(3)])
    images = tmp_path / "photos" / "images"
    assert read_photos(data, TEST_PART) == [Photo(images / "0.jpg", 0), Photo(images / "2.jpg", 2)]
    assert read_photos(data, CALIBRATION_PART) == [Photo(images / "1.jpg", 1)]


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ({}, "the document is {}, not a list"),
        ([1], r"\[0\] is 1, not a table"),
        (
            [{"image": "a.jpg", "class_index": 1000}],
            "class_index is 1000; it must be less than 1000",
        ),
        ([{"class_index": 0}], r"\[0\] lacks image"),
    ],
)
def test_wrong_entries_are_named(labels: object, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=complaint):
        read_photos(folder(tmp_path, labels), TEST_PART)


def test_a_folder_without_them_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"labels\.json cannot be read"):
        read_photos(tmp_path, TEST_PART)
