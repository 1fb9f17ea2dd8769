import numpy as np
import pytest

from phiz.lab.accuracy.gates import (
    AccuracyChange,
    Outputs,
    compare_outputs,
    compute_excess,
    count_kept,
    find_fastest,
)

KEPT = {"easy": 0.0, "medium": 0.005, "hard": -0.01}


def blazeface(regression: float, logit: float) -> Outputs:
    return {
        "regressions": np.array([[[regression]]], np.float32),
        "logits": np.array([[logit]], np.float32),
    }


@pytest.mark.parametrize(
    ("ours", "reference", "expected"),
    [
        pytest.param(blazeface(0, 0), blazeface(0, 0), 0, id="same"),
        pytest.param(blazeface(1e-4, 0), blazeface(0, 0), 0.5, id="a ten-thousandth of a pixel"),
        pytest.param(blazeface(-4e-4, 0), blazeface(0, 0), 2, id="either sign"),
        # A sigmoid's slope is 1/4 at 0: 2.8e-6 there is 0.7e-6 of probability, half of 1.4e-6.
        pytest.param(blazeface(0, 2.8e-6), blazeface(0, 0), 0.5, id="logits by probability"),
        pytest.param(blazeface(0, -200), blazeface(0, -300), 0, id="no face, and surely none"),
        pytest.param(
            {"probabilities": np.array([0.5]), "landmarks": np.array([1.1e-6])},
            {"probabilities": np.array([0.5]), "landmarks": np.array([0.0])},
            0.5,
            id="parts of a box",
        ),
        pytest.param(
            {"regressions": np.empty((0, 4)), "probabilities": np.empty(0)},
            {"regressions": np.empty((0, 4)), "probabilities": np.empty(0)},
            0,
            id="nothing",
        ),
    ],
)
def test_excess_is_in_units_of_what_is_allowed(
    ours: Outputs, reference: Outputs, expected: float
) -> None:
    assert compute_excess(ours, reference) == pytest.approx(expected, rel=1e-3)


def test_regressions_are_compared_in_proportion_to_the_pictures_largest() -> None:
    theirs = np.zeros((2, 3, 16))
    theirs[1, 2, 15] = -600.0  # four times the tolerance in the second picture
    logits = np.full((2, 3), -10.0)  # no face anywhere
    found = compare_outputs(
        {"regressions": theirs + 8e-4, "logits": logits}, {"regressions": theirs, "logits": logits}
    )
    first, second = found["all anchors"].differences.reshape(2, 48)
    assert first == pytest.approx(np.full(48, 8e-4))
    assert second == pytest.approx(np.full(48, 2e-4))
    assert found["regressions"].differences.size == 0


@pytest.mark.parametrize(
    ("logit", "expected"),
    [
        pytest.param(-5, 2 / 3, id="below 0.01"),  # a tolerance of 2e-4 × (1 + 400 / 200)
        pytest.param(-4.5, 2, id="above"),
    ],
)
def test_regressions_of_a_possible_face_are_compared_in_pixels(
    logit: float, expected: float
) -> None:
    ours, theirs = blazeface(0, logit), blazeface(0, logit)
    far = np.array([[[400.0]]])
    found = compute_excess({**ours, "regressions": far + 4e-4}, {**theirs, "regressions": far})
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("place", ["regressions", "logits"])
def test_nan_is_no_parity(place: str) -> None:
    ours = {**blazeface(0, 0), place: np.array([[np.nan]])}
    assert not compute_excess(ours, blazeface(0, 0)) <= 1


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        pytest.param([[0, 0, 10, 10], [20, 20, 30, 30]], (2, 2), id="same"),
        pytest.param([[0, 0, 10, 8], [20, 20, 30, 30]], (2, 2), id="IoU 0.8"),
        pytest.param([[0, 0, 10, 7.9], [20, 20, 30, 30]], (2, 1), id="IoU 0.79"),
        pytest.param([], (2, 0), id="none"),
    ],
)
def test_kept_faces_are_counted(boxes: list[list[float]], expected: tuple[int, int]) -> None:
    reference = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.9, 0.6, 0.59], np.float32)
    assert count_kept(np.array(boxes, np.float32).reshape(-1, 4), reference, scores) == expected


def test_one_box_stands_for_one_face() -> None:
    reference = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    assert count_kept(reference[:1], reference, np.ones(2, np.float32)) == (2, 1)


def test_no_face_is_kept_without_faces() -> None:
    nothing = np.empty((0, 4), np.float32)
    assert count_kept(nothing, nothing, np.empty(0, np.float32)) == (0, 0)


@pytest.mark.parametrize(
    ("change", "is_gated", "passes"),
    [
        pytest.param(AccuracyChange(1000, 990, KEPT), True, True, id="at the limits"),
        pytest.param(AccuracyChange(1000, 989, KEPT), True, False, id="faces lost"),
        pytest.param(
            AccuracyChange(1000, 1000, {**KEPT, "hard": 0.0051}), True, False, id="precision"
        ),
        pytest.param(
            AccuracyChange(1000, 1000, {**KEPT, "easy": float("nan")}), True, False, id="no easy"
        ),
        pytest.param(AccuracyChange(99, 99, KEPT), False, False, id="too few faces"),
        pytest.param(AccuracyChange(1000, 1000, {}), False, False, id="no labels"),
    ],
)
def test_a_change_passes_by_faces_and_precision(
    change: AccuracyChange,
    is_gated: bool,  # noqa: FBT001
    passes: bool,  # noqa: FBT001
) -> None:
    assert change.is_gated is is_gated
    assert change.passes is passes


@pytest.mark.parametrize(
    ("times_ms", "passing", "expected"),
    [
        pytest.param([10, 8, 6], [True, True, True], 2, id="the fastest"),
        pytest.param([10, 8, 6], [True, True, False], 1, id="that passes"),
        pytest.param([10, 8, 6], [True, False, False], 0, id="none passes"),
        pytest.param([10, 9.6], [True, True], 0, id="hardly faster"),
        pytest.param([10, 9.5], [True, True], 1, id="just worth it"),
        pytest.param([10, 12], [True, True], 0, id="slower"),
        pytest.param([10], [True], 0, id="the reference alone"),
    ],
)
def test_the_fastest_that_passes(times_ms: list[float], passing: list[bool], expected: int) -> None:
    assert find_fastest(times_ms, passing) == expected
