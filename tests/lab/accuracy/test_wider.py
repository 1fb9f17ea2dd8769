from pathlib import Path

import numpy as np
import pytest

from phiz.errors import CatalogError, OptionError
from phiz.lab.accuracy.wider import find_boxes_file, parse_boxes, parse_counted_faces, read_wider
from tests.lab.accuracy.test_matfile import cells, file, numbers, text

TEXT = """\
0--Parade/a.jpg
4
10 20 5 50 0 0 0 0 0 0
1 2 3 30 2 1 1 0 2 1
1 2 3 9 0 0 0 0 0 0
1 2 60 60 0 0 0 1 0 0
1--Handshaking/b.jpg
0
0 0 0 0 0 0 0 0 0 0
"""
NAME = "wider_face_val_bbx_gt.txt"


def write(folder: Path, name: str = NAME) -> Path:
    (folder / "wider_face_split").mkdir(exist_ok=True)
    (folder / "WIDER_val" / "images").mkdir(parents=True, exist_ok=True)
    path = folder / "wider_face_split" / name
    path.write_text(TEXT)
    return path


def level(*places: float) -> bytes:
    """Return a list of the benchmark: the faces of a.jpg that count, and none of b.jpg."""
    return file(
        cells(text("0--Parade"), text("1--Handshaking"), name="event_list"),
        cells(cells(text("a")), cells(text("b")), name="file_list"),
        cells(cells(numbers(*places)), cells(numbers()), name="gt_list"),
    )


def test_boxes_are_corner_and_size() -> None:
    first, second = parse_boxes(TEXT)
    assert first.path == "0--Parade/a.jpg"
    assert first.boxes[:2].tolist() == [[10, 20, 15, 70], [1, 2, 4, 32]]
    assert first.valid.tolist() == [True, True, True, False]
    assert second.path == "1--Handshaking/b.jpg"
    assert second.boxes.shape == (0, 4)


def test_without_lists_a_face_counts_by_its_height(tmp_path: Path) -> None:
    first, second = read_wider(tmp_path, write(tmp_path))
    assert first.path == tmp_path / "WIDER_val" / "images" / "0--Parade" / "a.jpg"
    assert {name: mask.tolist() for name, mask in first.counted.items()} == {
        "easy": [True, False, False, False],
        "medium": [True, True, False, False],
        "hard": [True, True, False, False],
    }
    assert second.counted["hard"].shape == (0,)
    assert np.isnan(first.landmarks).all()


def test_the_lists_say_what_counts(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "ground_truth").mkdir()
    for name, places in {"easy": (), "medium": (3,), "hard": (1, 3)}.items():
        (tmp_path / "ground_truth" / f"wider_{name}_val.mat").write_bytes(level(*places))
    first, second = read_wider(tmp_path, path)
    assert {name: mask.tolist() for name, mask in first.counted.items()} == {
        "easy": [False, False, False, False],
        "medium": [False, False, True, False],
        "hard": [True, False, True, False],
    }
    assert not second.counted["hard"].any()


def test_validation_is_preferred_to_training(tmp_path: Path) -> None:
    assert find_boxes_file(tmp_path) is None
    train = write(tmp_path, "wider_face_train_bbx_gt.txt")
    assert find_boxes_file(tmp_path) == train
    val = write(tmp_path)
    assert find_boxes_file(tmp_path) == val
    assert find_boxes_file(val.parent) == val


def test_pictures_are_found_beside_the_split(tmp_path: Path) -> None:
    path = write(tmp_path)
    first, _ = read_wider(path.parent, path)
    assert first.path == tmp_path / "WIDER_val" / "images" / "0--Parade" / "a.jpg"


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        pytest.param("a.jpg\n", "line 2 is '', not a number of faces", id="path alone"),
        pytest.param("a.jpg\n1.5\n", "line 2 is '1.5'", id="half a face"),
        pytest.param("a.jpg\n2\n" + "1 2 3 4 0 0 0 0 0 0\n", "not the 10 numbers", id="cut"),
        pytest.param("a.jpg\n1\n1 2 3 4\n", "line 3 is '1 2 3 4'", id="four numbers"),
        pytest.param("a.jpg\n1\n1 2 3 x 0 0 0 0 0 0\n", "line 3", id="a letter"),
    ],
)
def test_a_text_that_is_none(broken: str, what: str) -> None:
    with pytest.raises(CatalogError, match=what):
        list(parse_boxes(broken))


def test_lists_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="event_list"):
        parse_counted_faces({})
    with pytest.raises(CatalogError, match="not a list of WIDER FACE"):
        parse_counted_faces({"event_list": ["a"], "file_list": [], "gt_list": []})
    path = write(tmp_path)
    (tmp_path / "wider_hard_val.mat").write_bytes(b"something else")
    with pytest.raises(OptionError, match="not a MATLAB file"):
        read_wider(tmp_path, path)
