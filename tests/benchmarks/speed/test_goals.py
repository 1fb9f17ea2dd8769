import pytest

from benchmarks.speed.goals import find_lowest_overlap

SQUARE = (100.0, 100.0, 200.0, 200.0)
OTHER = (400.0, 400.0, 500.0, 500.0)
SHIFTED = (100.0, 100.0, 200.0, 190.0)  # IoU 0.9 with the square
WIDER = (-50.0, 100.0, 100.0, 200.0)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        pytest.param([[SQUARE, OTHER]], [[OTHER, SQUARE]], 1, id="in any order"),
        pytest.param([[SHIFTED, OTHER]], [[SQUARE, OTHER]], 0.9, id="the lowest face"),
        pytest.param([[SQUARE], [SHIFTED]], [[SQUARE], [SQUARE]], 0.9, id="the lowest picture"),
        pytest.param([[SQUARE]], [[SQUARE, OTHER]], 0, id="one is missing"),
        pytest.param([[SQUARE, OTHER]], [[SQUARE]], 0, id="one too many"),
        pytest.param([[SQUARE, OTHER]], [[SQUARE, SHIFTED]], 0, id="two of theirs are one of ours"),
        pytest.param([[SQUARE]], [[OTHER]], 0, id="apart"),
        pytest.param([[]], [[]], 1, id="no faces"),
        pytest.param([], [], 1, id="no pictures"),
        pytest.param([[(0.0, *WIDER[1:])]], [[WIDER]], 1, id="cut to the picture"),
    ],
)
def test_the_lowest_overlap(
    ours: list[list[tuple[float, ...]]], theirs: list[list[tuple[float, ...]]], expected: float
) -> None:
    assert find_lowest_overlap(ours, theirs) == pytest.approx(expected)


def test_pictures_are_compared_one_by_one() -> None:
    with pytest.raises(ValueError, match="longer than"):
        find_lowest_overlap([[SQUARE]], [[SQUARE], [SQUARE]])
