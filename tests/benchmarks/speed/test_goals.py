import numpy as np
import pytest

from benchmarks.kit.options import BLAZEFACE
from benchmarks.speed.contests import ContestResult, ContestResults
from benchmarks.speed.goals import (
    AUTO_RUNTIME,
    DEFAULT_RUNTIME,
    FACENET,
    LITERT,
    OPENCV,
    OURS,
    build_goals,
    find_lowest_overlap,
)

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


def make_score(ms: float) -> ContestResult:
    times = np.full((3, 2), ms)
    return ContestResult(times, {"decode": times}, [[], []], {})


def make_results(yunet_ms: float) -> ContestResults:
    call = {LITERT: make_score(2), DEFAULT_RUNTIME: make_score(1)}
    jpegs = {f"{task} {model}": make_score(2) for task in ("faces", "call") for model in BLAZEFACE}
    cascade = {FACENET: make_score(10), DEFAULT_RUNTIME: make_score(3), AUTO_RUNTIME: make_score(1)}
    return {
        **{f"call {model}": call for model in BLAZEFACE},
        **{
            size: {**jpegs, "decode Pillow": make_score(1)}
            for size in ("640x480", "641x481", "4000x3000")
        },
        "cascade": cascade,
        "yunet": {OURS: make_score(yunet_ms), OPENCV: make_score(10)},
    }


def test_goal_is_judged_by_processor_time_and_told_by_the_wall_too() -> None:
    goals = [*build_goals({"wall": make_results(7), "processor": make_results(5)})]
    assert {goal.clock for goal in goals if goal.measure != "IoU"} == {"processor"}
    (yunet,) = [goal for goal in goals if goal.what.startswith("yunet")]
    assert (yunet.figure, yunet.rounds, yunet.wall) == (0.5, [0.5] * 3, 0.7)
    assert (yunet.is_reached, yunet.format_sign_test()) == (True, "0 of 3, p 0.25")
    limits = {goal.what: goal.is_reached for goal in goals if goal.against == FACENET}
    assert limits[f"mtcnn, {DEFAULT_RUNTIME}"] is False
    assert limits[f"mtcnn, {AUTO_RUNTIME}"] is True
