import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.detectors.calibration import (
    cascade_evidence,
    confidence,
    glance_evidence,
    in_common,
    log_odds,
    seen_by,
    shown,
    sides_of,
)
from phiz.models import router_config
from phiz.models.router_config import CompanyRule, Convention, Weights

CARD = router_config.load()
SIZE_WH = (100, 100)
score = st.floats(0, 1, width=32)
side = st.floats(1, 100, width=32)


def boxes_of(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)


def test_confidence_is_the_logistic_of_weighted_evidence() -> None:
    evidence = np.array([[0, 0], [1, 2], [-100, -100]], np.float32)
    sure = confidence(evidence, Weights(1.0, (2.0, -0.5)))
    assert sure == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(-2)), 0], abs=1e-6)
    assert (sure > 0).all()


def test_log_odds_are_bounded() -> None:
    odds = log_odds(np.array([0, 0.5, 1], np.float32))
    assert odds == pytest.approx([np.log(1e-4), 0, 13.8], abs=0.2)


@given(low=score, high=score, edge=side)
@pytest.mark.parametrize("name", list(CARD.glances))
@pytest.mark.parametrize("which", ["alone", "unconfirmed"])
def test_a_glance_that_scores_more_is_surer(
    name: str, which: str, low: float, high: float, edge: float
) -> None:
    low, high = sorted((low, high))
    weights = getattr(CARD.glances[name], which)
    boxes = boxes_of((0, 0, edge, edge), (0, 0, edge, edge))
    sure = confidence(glance_evidence(boxes, np.array([low, high], np.float32), SIZE_WH), weights)
    assert 0 <= sure[0] <= sure[1] <= 1


@given(scores=st.tuples(score, score, score), more=score, which=st.integers(0, 2), edge=side)
@pytest.mark.parametrize("name", list(CARD.glances))
def test_a_network_that_scores_more_makes_the_cascade_surer(
    name: str, scores: tuple[float, ...], more: float, which: int, edge: float
) -> None:
    low = np.array(scores, np.float32)
    high = low.copy()
    high[which] = max(low[which], more)
    boxes = boxes_of((0, 0, edge, edge), (0, 0, edge, edge))
    unseen = np.zeros(2, np.float32)
    evidence = cascade_evidence(boxes, np.stack([low, high]), unseen, SIZE_WH)
    sure = confidence(evidence, CARD.glances[name].cascade)
    assert 0 <= sure[0] <= sure[1] <= 1


def test_a_large_face_that_no_glance_saw_is_doubtful() -> None:
    boxes = boxes_of((0, 0, 50, 50), (0, 0, 50, 50))
    scores = np.full((2, 3), 0.9, np.float32)
    evidence = cascade_evidence(boxes, scores, np.array([0.9, 0], np.float32), SIZE_WH)
    seen, unseen = confidence(evidence, CARD.glances["back"].cascade)
    assert seen > unseen


def test_what_a_glance_says_goes_to_the_face_it_lies_on() -> None:
    boxes = boxes_of((0, 0, 10, 10), (50, 50, 60, 60))
    glanced = boxes_of((0, 0, 10, 10), (0, 0, 10, 12), (80, 80, 90, 90))
    said, apart = seen_by(boxes, glanced, np.array([0.5, 0.7, 0.9], np.float32))
    assert said == pytest.approx([0.7, 0])
    assert apart.tolist() == [False, False, True]


@pytest.mark.parametrize(("count", "glances"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_is_seen_where_nothing_is(count: int, glances: int) -> None:
    box = (0, 0, 10, 10)
    said, apart = seen_by(
        boxes_of(*[box] * count), boxes_of(*[box] * glances), np.ones(glances, np.float32)
    )
    assert said.tolist() == [0] * count
    assert apart.tolist() == [True] * glances


def test_a_convention_moves_edges_by_shares_of_the_side() -> None:
    conventions = {"a": Convention((0.1, -0.2, -0.1, 0.05), 0), "b": Convention((0, 0, 0, 0), 1)}
    boxes = boxes_of((10, 20, 30, 60))
    assert in_common(boxes, "a", conventions)[0] == pytest.approx([12, 12, 28, 62])
    assert in_common(boxes, "b", conventions)[0] == pytest.approx([9, 19, 30, 60])
    assert boxes[0].tolist() == [10, 20, 30, 60]


def test_a_side_is_that_of_a_square_as_large() -> None:
    assert sides_of(boxes_of((0, 0, 4, 9), (5, 5, 5, 9))) == pytest.approx([6, 1])


LIMIT, COMPANY = 0.9, CompanyRule(1.6, 4)


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
    assert shown(np.array(scores, np.float32), LIMIT, COMPANY).tolist() == passed


@given(st.lists(score, max_size=12))
def test_the_default_limit_never_passes_a_lower_score_for_a_higher_one(scores: list[float]) -> None:
    falling = np.sort(np.array(scores, np.float32))[::-1]
    passed = shown(falling, LIMIT, COMPANY)
    assert passed.tolist() == sorted(passed.tolist(), reverse=True)
