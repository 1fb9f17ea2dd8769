import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from phiz.errors import OptionError
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd
from phiz.lab.accuracy.labels import (
    LabelledImage,
    check_photographs,
    open_photograph,
    read_annotations,
    read_wider_labels,
)

FACES = [
    {"box": [1, 2, 3, 4.5], "wider_levels": ["easy", "medium", "hard"], "invalid": False},
    {"box": [5, 6, 7, 8], "wider_levels": ["hard"]},
    {"box": [9, 9, 10, 10], "wider_levels": ["hard"], "invalid": True},
]


LIMITS = DecodingLimits(1_000_000, 1_000_000)


def labelled(path: Path) -> LabelledImage:
    return LabelledImage(path, np.empty((0, 4), np.float32), {}, np.empty((0, 5, 2), np.float32))


def write(folder: Path, document: Any) -> None:
    (folder / "wider").mkdir()
    (folder / "wider" / "annotations.json").write_text(json.dumps(document))


def test_faces_count_by_their_levels(tmp_path: Path) -> None:
    write(tmp_path, [{"image": "a.jpg", "faces": FACES}])
    (label,) = read_wider_labels(tmp_path)
    assert label.path == tmp_path / "wider" / "images" / "a.jpg"
    np.testing.assert_array_equal(label.faces, np.array([face["box"] for face in FACES], "f4"))
    counted = {level: mask.tolist() for level, mask in label.counted.items()}
    assert counted == {
        "easy": [True, False, False],
        "medium": [True, False, False],
        "hard": [True, True, False],
    }


def test_landmarks_are_read_where_there_are_some(tmp_path: Path) -> None:
    points = [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10.5]]
    plain: dict[str, Any] = {"box": [1, 2, 3, 4]}
    faces = [{**plain, "landmarks": points}, {**plain, "landmarks": None}, plain]
    (tmp_path / "annotations.json").write_text(json.dumps([{"image": "a.jpg", "faces": faces}]))
    (label,) = read_annotations(tmp_path)
    np.testing.assert_array_equal(label.landmarks[0], points)
    assert np.isnan(label.landmarks[1:]).all()
    assert label.landmarks.shape == (3, 5, 2)


def test_faces_without_levels_count_unless_difficult_or_invalid(tmp_path: Path) -> None:
    box = [1, 2, 3, 4]
    faces = [{"box": box}, {"box": box, "difficult": True}, {"box": box, "invalid": True}]
    (tmp_path / "annotations.json").write_text(json.dumps([{"image": "a.jpg", "faces": faces}]))
    (label,) = read_annotations(tmp_path)
    assert label.counted["all"].tolist() == [True, False, False]
    assert not label.counted["hard"].any()


def test_a_picture_without_faces(tmp_path: Path) -> None:
    write(tmp_path, [{"image": "a.jpg", "faces": []}])
    (label,) = read_wider_labels(tmp_path)
    assert label.faces.shape == (0, 4)
    assert all(mask.shape == (0,) and mask.dtype == bool for mask in label.counted.values())


@pytest.mark.parametrize(
    ("document", "what"),
    [
        pytest.param({}, "the document is {}, not a list", id="object"),
        pytest.param([], "the document is empty", id="empty"),
        pytest.param([3], r"\[0\] is 3, not a table", id="number"),
        pytest.param([{"image": "a.jpg"}], r"\[0\] lacks faces", id="no faces"),
        pytest.param([{"faces": []}], r"\[0\] lacks image", id="no image"),
        pytest.param(
            [{"image": "a", "faces": [{"box": [1, 2, 3]}]}], r"box\[3\] is missing", id="three"
        ),
        pytest.param([{"image": "a", "faces": [{}]}], r"faces\[0\] lacks box", id="no box"),
        pytest.param([{"image": "a", "faces": [7]}], r"faces\[0\] is 7, not a table", id="face"),
        pytest.param(
            [{"image": "a", "faces": [{"box": [1, 2, 3, "4"]}]}], "not a number", id="text"
        ),
        pytest.param(
            [{"image": "a", "faces": [{"box": [1, 2, 3, 4], "landmarks": [[1, 2]]}]}],
            "landmarks has 1 entries; it must have at least 5",
            id="one landmark",
        ),
        pytest.param(
            [{"image": "a", "faces": [{"box": [1, 2, 3, 4], "landmarks": [[1, 2, 3]] * 5}]}],
            r"landmarks\[0\] has 3 entries; it must have at most 2",
            id="landmarks in space",
        ),
    ],
)
def test_labels_that_are_none(tmp_path: Path, document: Any, what: str) -> None:
    write(tmp_path, document)
    with pytest.raises(OptionError, match=what):
        read_wider_labels(tmp_path)


def test_a_folder_without_labels(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"annotations\.json cannot be read"):
        read_wider_labels(tmp_path)


def test_a_photograph_that_can_be_read(tmp_path: Path) -> None:
    label = labelled(tmp_path / "a.jpg")
    Image.fromarray(draw_crowd(64, 48)).save(label.path)
    check_photographs([label], LIMITS)
    image = open_photograph(label, LIMITS)
    assert (image.width, image.height) == (64, 48)


@pytest.mark.parametrize("kept", [None, 0, 20, 700], ids=["missing", "empty", "head", "cut"])
def test_a_photograph_that_cannot_be_read_is_named(tmp_path: Path, kept: int | None) -> None:
    good, bad = labelled(tmp_path / "a.jpg"), labelled(tmp_path / "b.jpg")
    Image.fromarray(draw_crowd(64, 48)).save(good.path)
    if kept is not None:
        bad.path.write_bytes(good.path.read_bytes()[:kept])
    with pytest.raises(OptionError, match=r"the photograph .*b\.jpg cannot be read: "):
        check_photographs([good, bad], LIMITS)
