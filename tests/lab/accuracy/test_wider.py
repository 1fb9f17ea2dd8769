import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.io import savemat

from phiz.errors import CatalogError, OptionError
from phiz.lab.accuracy.wider import LISTS, find_boxes_file, read_counted_faces, read_wider

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


def cells(*values: object) -> NDArray[np.object_]:
    """Return a column of MATLAB cells."""
    column = np.empty((len(values), 1), object)
    column[:, 0] = values
    return column


def write_level(path: Path, *places: float) -> None:
    """Write a list of the benchmark: the faces of a.jpg that count, and none of b.jpg."""
    lists = {
        "event_list": cells("0--Parade", "1--Handshaking"),
        "file_list": cells(cells("a"), cells("b")),
        "gt_list": cells(cells(np.array(places).reshape(-1, 1)), cells(np.zeros((0, 0)))),
    }
    savemat(path, lists, do_compression=True)


def test_faces_count_by_their_height_without_lists(tmp_path: Path) -> None:
    first, second = read_wider(tmp_path, write(tmp_path))
    assert first.path == tmp_path / "WIDER_val" / "images" / "0--Parade" / "a.jpg"
    assert first.faces[:2].tolist() == [[10, 20, 15, 70], [1, 2, 4, 32]]
    assert {name: mask.tolist() for name, mask in first.counted.items()} == {
        "easy": [True, False, False, False],
        "medium": [True, True, False, False],
        "hard": [True, True, False, False],
    }
    assert second.path.name == "b.jpg"
    assert second.faces.shape == (0, 4)
    assert second.counted["hard"].shape == (0,)
    assert np.isnan(first.landmarks).all()


def test_the_lists_say_what_counts(tmp_path: Path) -> None:
    path = write(tmp_path)
    (tmp_path / "ground_truth").mkdir()
    for name, places in {"easy": (), "medium": (3,), "hard": (1, 3)}.items():
        write_level(tmp_path / "ground_truth" / f"wider_{name}_val.mat", *places)
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


def test_broken_text_is_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text("a.jpg\n1\n1 2 3 4\n")
    with pytest.raises(OptionError, match=rf"{NAME} or its lists .* a\.jpg has '1 2 3 4', not"):
        read_wider(tmp_path, path)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(b"", "wider_hard_val.mat cannot be read as a list", id="empty"),
        pytest.param(
            b"something else" * 20, "wider_hard_val.mat cannot be read as a list", id="text"
        ),
        pytest.param(
            b"\x89HDF\r\n".ljust(200), "wider_hard_val.mat cannot be read as a list", id="level 7.3"
        ),
    ],
)
def test_a_list_that_is_no_matlab_file(tmp_path: Path, content: bytes, what: str) -> None:
    path = write(tmp_path)
    (tmp_path / "wider_hard_val.mat").write_bytes(content)
    with pytest.raises(OptionError, match=what):
        read_wider(tmp_path, path)


@pytest.mark.parametrize("kept", [129, 150, 200, 300, -5])
def test_a_list_that_is_cut_short(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "wider_hard_val.mat"
    write_level(path, 1, 3)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CatalogError, match=r"wider_hard_val\.mat cannot be read"):
        read_counted_faces(path)


@pytest.mark.parametrize(
    "lists",
    [
        pytest.param({"other": cells("a")}, id="no lists"),
        pytest.param(dict.fromkeys(LISTS, np.eye(2)), id="numbers"),
        pytest.param(
            {"event_list": cells("a"), "file_list": cells(), "gt_list": cells()}, id="lengths"
        ),
        pytest.param({name: {"a": 1} for name in LISTS}, id="structures"),
    ],
)
def test_a_list_of_something_else(tmp_path: Path, lists: dict[str, Any]) -> None:
    savemat(tmp_path / "a.mat", lists)
    with pytest.raises(CatalogError, match=r"a\.mat cannot be read"):
        read_counted_faces(tmp_path / "a.mat")


def test_lists_need_scipy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    path = write(tmp_path)
    write_level(tmp_path / "wider_hard_val.mat", 1)
    with pytest.raises(OptionError, match=r"needs SciPy; .*: pip install 'phiz\[lab\]'"):
        read_wider(tmp_path, path)
