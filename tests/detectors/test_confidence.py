import numpy as np
import pytest

from phiz.detectors.confidence import (
    accept_faces,
    compute_confidences,
    compute_features,
    compute_log_odds,
    compute_probabilities,
    compute_sides,
)
from phiz.models.router_config import CrowdPrior, LogisticWeights, load_router_config

PRIOR = CrowdPrior(slope=1.5, max_others=3, min_confidence=0.7)
WEIGHTS = (-1, 2, 0.1, -0.1, 0.2)
CONFIRMED = (-1, 2, 1, -0.5, 0.1, -0.1, 0.2)


def scores(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def squares(*sides: float) -> np.ndarray:
    return np.array([[10, 10, 10 + side, 10 + side] for side in sides], np.float32)


def test_log_odds_and_probabilities_are_inverse() -> None:
    values = scores(0.001, 0.3, 0.5, 0.999)
    np.testing.assert_allclose(compute_probabilities(compute_log_odds(values)), values, rtol=1e-5)


def test_certain_scores_have_finite_odds() -> None:
    assert np.isfinite(compute_log_odds(scores(0, 1))).all()


def test_sides_are_those_of_squares_as_large() -> None:
    boxes = np.array([[0, 0, 4, 9], [0, 0, 0, 0]], np.float32)
    assert compute_sides(boxes).tolist() == [6, 1]


def test_features_of_a_face_of_20_pixels_are_its_scores() -> None:
    side = float(np.exp(3))
    (row,) = compute_features(squares(side), scores(0.8), scores(0.6), 1.0)
    small = compute_log_odds(scores(0.6))[0] * 0.2
    expected = [*compute_log_odds(scores(0.8, 0.6)), small, 0, 0, 0]
    np.testing.assert_allclose(row, expected, atol=1e-5)
    (short,) = compute_features(squares(side), scores(0.8), None, 1.0)
    np.testing.assert_allclose(short, [expected[0], 0, 0, 0], atol=1e-5)


def test_the_network_sees_a_face_of_a_reduced_image_smaller() -> None:
    ((_, seen, squared, size),) = compute_features(squares(np.exp(3)), scores(0.8), None, np.e)
    assert (seen, squared, size) == (
        pytest.approx(-1),
        pytest.approx(1),
        pytest.approx(0, abs=1e-6),
    )


@pytest.mark.parametrize(
    ("onet_scores", "weights"), [(None, WEIGHTS), (scores(0.5, 0.5, 0.5), CONFIRMED)]
)
def test_confidences_grow_with_the_score(
    onet_scores: np.ndarray | None, weights: LogisticWeights
) -> None:
    found = compute_confidences(
        squares(30, 30, 30), scores(0.1, 0.5, 0.9), onet_scores, 1.0, weights
    )
    assert 0 < found[0] < found[1] < found[2] < 1


def test_confidences_grow_with_the_score_of_onet_for_a_large_face() -> None:
    low, high = compute_confidences(
        squares(80, 80), scores(0.5, 0.5), scores(0.1, 0.9), 1.0, CONFIRMED
    )
    assert low < high


@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_fitted_weights_tell_faces_from_others(name: str) -> None:
    weights = load_router_config().confidences[name]
    sure, unlikely = compute_confidences(squares(60, 60), scores(0.95, 0.1), None, 1.0, weights)
    assert unlikely < 0.1
    assert sure > 0.95


def test_fitted_weights_of_onet_tell_faces_from_others() -> None:
    sure, unlikely = compute_confidences(
        squares(60, 60),
        scores(0.95, 0.2),
        scores(0.99, 0.01),
        1.0,
        load_router_config().confirmed,
    )
    assert unlikely < 0.1
    assert sure > 0.95


def test_the_limit_of_a_lone_face_is_the_default() -> None:
    accepted = [accept_faces(scores(value), 0.8, PRIOR).tolist() for value in (0.79, 0.81)]
    assert accepted == [[False], [True]]


def test_sure_company_lowers_the_limit() -> None:
    assert accept_faces(scores(0.6, 0.95, 0.95), 0.8, PRIOR).tolist() == [True, True, True]


def test_doubtful_company_does_not_lower_the_limit() -> None:
    crowd = np.full(20, 0.69, np.float32)
    assert not accept_faces(crowd, 0.8, PRIOR).any()


def test_a_face_is_no_company_for_itself() -> None:
    assert accept_faces(scores(0.75), 0.8, PRIOR).tolist() == [False]


def test_no_candidate_is_no_face() -> None:
    assert accept_faces(scores(), 0.8, PRIOR).shape == (0,)
