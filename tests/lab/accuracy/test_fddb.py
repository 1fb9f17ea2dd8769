from math import pi, sqrt
from pathlib import Path

import numpy as np
import pytest

from phiz.errors import OptionError
from phiz.lab.accuracy.fddb import bound_ellipses, find_folds, read_fddb

ELLIPSES = """\
2002/08/11/big/img_591
1
20.0 10.0 1.5707963 100.0 50.0  1
2002/08/26/big/img_265
2
3 3 0 10 10 1
4 2 0 10 10 1
"""


def write(folder: Path) -> list[Path]:
    folds = folder / "FDDB-folds"
    folds.mkdir()
    (folder / "originalPics").mkdir()
    (folds / "FDDB-fold-01-ellipseList.txt").write_text(ELLIPSES)
    (folds / "FDDB-fold-01.txt").write_text("2002/08/11/big/img_591\nempty/one\n")
    (folds / "FDDB-fold-02-ellipseList.txt").write_text("second/two\n0\n")
    return find_folds(folder)


# A line through the centre at 45° reaches the box of an ellipse at √((a² + b²) / 2).
@pytest.mark.parametrize(
    ("angle", "across", "along"),
    [
        pytest.param(0, 20, 10, id="lying"),
        pytest.param(pi / 2, 10, 20, id="standing"),
        pytest.param(-pi / 2, 10, 20, id="standing on its head"),
        pytest.param(pi / 4, sqrt(250), sqrt(250), id="halfway"),
        pytest.param(pi, 20, 10, id="turned round"),
    ],
)
def test_the_box_touches_its_ellipse(angle: float, across: float, along: float) -> None:
    (box,) = bound_ellipses(np.array([[20, 10, angle, 100, 50, 1]], float))
    assert box == pytest.approx([100 - across, 50 - along, 100 + across, 50 + along])


def test_the_box_touches_a_traced_ellipse() -> None:
    a, b, angle = 37.0, 21.0, 0.7
    turn = np.linspace(0, 2 * pi, 100_000)
    x = a * np.cos(turn) * np.cos(angle) - b * np.sin(turn) * np.sin(angle)
    y = a * np.cos(turn) * np.sin(angle) + b * np.sin(turn) * np.cos(angle)
    (box,) = bound_ellipses(np.array([[a, b, angle, 0, 0, 1]]))
    assert box == pytest.approx([x.min(), y.min(), x.max(), y.max()], abs=1e-5)


def test_folds_are_read_with_pictures_that_have_no_face(tmp_path: Path) -> None:
    labels = read_fddb(tmp_path, write(tmp_path))
    by_name = {
        label.path.relative_to(tmp_path / "originalPics").as_posix(): label for label in labels
    }
    assert {name: len(label.faces) for name, label in by_name.items()} == {
        "2002/08/11/big/img_591.jpg": 1,
        "empty/one.jpg": 0,
        "2002/08/26/big/img_265.jpg": 2,
        "second/two.jpg": 0,
    }
    assert by_name["2002/08/26/big/img_265.jpg"].counted["all"].tolist() == [True, True]


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folds = write(tmp_path)
    folds[1].write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match="fold-02-ellipseList"):
        read_fddb(tmp_path, folds)
