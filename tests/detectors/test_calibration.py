import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.detectors.calibration import (
    accept_faces,
    calibrate_boxes,
    calibrate_scores,
    compute_cascade_features,
    compute_first_pass_features,
    compute_log_odds,
    compute_sides,
    match_first_pass,
)
from phiz.models import router_config
from phiz.models.router_config import BoxCalibration, CrowdPrior, LogisticWeights

CONFIG = router_config.load_router_config()
SIZE_WH = (100, 100)
score = st.floats(0, 1, width=32)
side = st.floats(1, 100, width=32)


def boxes_of(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def test_confidence_is_the_logistic_of_weighted_evidence() -> None:
    evidence = np.array([[0, 0], [1, 2], [-100, -100]], np.float32)
    sure = calibrate_scores(evidence, LogisticWeights(1.0, (2.0, -0.5)))
    assert sure == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-2)), 0], abs=1e-6)
    assert (sure > 0).all()


def test_log_odds_are_bounded() -> None:
    odds = compute_log_odds(np.array([0, 0.5, 1], np.float32))
    assert odds == pytest.approx([np.log(1e-4), 0, 13.8], abs=0.2)


@given(low=score, high=score, edge=side)
@pytest.mark.parametrize("name", list(CONFIG.first_pass))
@pytest.mark.parametrize("which", ["standalone", "unconfirmed"])
def test_a_glance_that_scores_more_is_surer(
    name: str, which: str, low: float, high: float, edge: float
) -> None:
    low, high = sorted((low, high))
    weights = getattr(CONFIG.first_pass[name], which)
    boxes = boxes_of((0, 0, edge, edge), (0, 0, edge, edge))
    sure = calibrate_scores(
        compute_first_pass_features(boxes, np.array([low, high], np.float32), SIZE_WH), weights
    )
    assert 0 <= sure[0] <= sure[1] <= 1


@given(scores=st.tuples(score, score, score), more=score, which=st.integers(0, 2), edge=side)
@pytest.mark.parametrize("name", list(CONFIG.first_pass))
def test_a_network_that_scores_more_makes_the_cascade_surer(
    name: str, scores: tuple[float, ...], more: float, which: int, edge: float
) -> None:
    low = np.array(scores, np.float32)
    high = low.copy()
    high[which] = max(low[which], more)
    boxes = boxes_of((0, 0, edge, edge), (0, 0, edge, edge))
    missed = np.zeros(2, np.float32)
    evidence = compute_cascade_features(boxes, np.stack([low, high]), missed, SIZE_WH)
    sure = calibrate_scores(evidence, CONFIG.first_pass[name].cascade)
    assert 0 <= sure[0] <= sure[1] <= 1


def test_a_large_face_that_no_glance_saw_is_doubtful() -> None:
    boxes = boxes_of((0, 0, 50, 50), (0, 0, 50, 50))
    scores = np.full((2, 3), 0.9, np.float32)
    evidence = compute_cascade_features(boxes, scores, np.array([0.9, 0], np.float32), SIZE_WH)
    matched, missed = calibrate_scores(evidence, CONFIG.first_pass["back"].cascade)
    assert matched > missed


def test_first_pass_score_goes_to_the_face_that_it_overlaps() -> None:
    boxes = boxes_of((0, 0, 10, 10), (50, 50, 60, 60))
    glanced = boxes_of((0, 0, 10, 10), (0, 0, 10, 12), (80, 80, 90, 90))
    said, apart = match_first_pass(boxes, glanced, np.array([0.5, 0.7, 0.9], np.float32))
    assert said == pytest.approx([0.7, 0])
    assert apart.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("seen", "is_match"),
    [
        # The box is 100 x 100; the overlap (IoU) with what the first pass saw is in the id.
        pytest.param((0, 0, 36, 100), True, id="inside, 0.36"),
        pytest.param((0, 0, 34, 100), False, id="inside, 0.34"),
        pytest.param((0, 0, 280, 100), True, id="around, 0.357"),
        pytest.param((0, 0, 290, 100), False, id="around, 0.345"),
        pytest.param((47, 0, 147, 100), True, id="beside, 0.361"),
        pytest.param((49, 0, 149, 100), False, id="beside, 0.342"),
        pytest.param((0, -47, 100, 53), True, id="above, 0.361"),
        pytest.param((0, -49, 100, 51), False, id="above, 0.342"),
        pytest.param((27, 27, 127, 127), True, id="diagonal, 0.363"),
        pytest.param((29, 29, 129, 129), False, id="diagonal, 0.337"),
    ],
)
def test_first_pass_score_counts_from_an_overlap_of_0_35(
    seen: tuple[float, float, float, float], *, is_match: bool
) -> None:
    said, _ = match_first_pass(
        boxes_of((0, 0, 100, 100)), boxes_of(seen), np.array([0.8], np.float32)
    )
    assert said == pytest.approx([0.8 if is_match else 0])


@pytest.mark.parametrize(
    ("width", "is_apart"), [(0, True), (29, True), (31, False), (34, False), (100, False)]
)
def test_first_pass_face_is_another_one_under_an_overlap_of_0_3(
    width: float, *, is_apart: bool
) -> None:
    seen = boxes_of((0, 0, width, 100))
    _, apart = match_first_pass(boxes_of((0, 0, 100, 100)), seen, np.ones(1, np.float32))
    assert apart.tolist() == [is_apart]


@pytest.mark.parametrize(("count", "first_pass_count"), [(0, 0), (0, 2), (2, 0)])
def test_match_of_no_boxes_is_empty(count: int, first_pass_count: int) -> None:
    box = (0, 0, 10, 10)
    said, apart = match_first_pass(
        boxes_of(*[box] * count),
        boxes_of(*[box] * first_pass_count),
        np.ones(first_pass_count, np.float32),
    )
    assert said.tolist() == [0] * count
    assert apart.tolist() == [True] * first_pass_count


def test_a_convention_moves_edges_by_shares_of_the_side() -> None:
    calibrations = {
        "a": BoxCalibration((0.1, -0.2, -0.1, 0.05), 0),
        "b": BoxCalibration((0, 0, 0, 0), 1),
    }
    boxes = boxes_of((10, 20, 30, 60))
    assert calibrate_boxes(boxes, "a", calibrations)[0] == pytest.approx([12, 12, 28, 62])
    assert calibrate_boxes(boxes, "b", calibrations)[0] == pytest.approx([9, 19, 30, 60])
    assert boxes[0].tolist() == [10, 20, 30, 60]


def test_a_side_is_that_of_a_square_as_large() -> None:
    assert compute_sides(boxes_of((0, 0, 4, 9), (5, 5, 5, 9))) == pytest.approx([6, 1])


LIMIT, COMPANY = 0.9, CrowdPrior(1.6, 4)


@pytest.mark.parametrize(
    ("scores", "passed"),
    [
        pytest.param([0.91], [True], id="alone, above"),
        pytest.param([0.89], [False], id="alone, below"),
        # Log odds of 0.9 are 2.197; two that are sure take 1.6 · log 3 = 1.758 of them: 0.608.
        pytest.param([0.9999, 0.9999, 0.62], [True, True, True], id="among two, above"),
        pytest.param([0.9999, 0.9999, 0.59], [True, True, False], id="among two, below"),
        # Four that are sure take 1.6 · log 5 = 2.575: 0.407. More count no more.
        pytest.param([0.9999] * 9 + [0.42, 0.1], [True] * 10 + [False], id="among many"),
        pytest.param([0.3, 0.2, 0.1], [False, False, False], id="not among doubtful ones"),
        pytest.param([], [], id="nothing"),
    ],
)
def test_a_face_in_company_needs_less(scores: list[float], passed: list[bool]) -> None:
    assert accept_faces(np.array(scores, np.float32), LIMIT, COMPANY).tolist() == passed


@given(st.lists(score, max_size=12))
def test_the_default_limit_never_passes_a_lower_score_for_a_higher_one(scores: list[float]) -> None:
    falling = np.sort(np.array(scores, np.float32))[::-1]
    passed = accept_faces(falling, LIMIT, COMPANY)
    assert passed.tolist() == sorted(passed.tolist(), reverse=True)
