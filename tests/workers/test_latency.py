import pytest

from phiz.workers.latency import NEWEST_WEIGHT, LatencyEstimator


def test_what_was_never_done_takes_what_was_said() -> None:
    assert LatencyEstimator(0.5).estimate_s("back") == 0.5


def test_the_first_time_is_the_mean() -> None:
    costs = LatencyEstimator(0.5)
    costs.observe("back", 2)
    assert (costs.estimate_s("back"), costs.estimate_s("front")) == (2, 0.5)


def test_the_newest_time_has_its_weight() -> None:
    costs = LatencyEstimator(0.5)
    costs.observe("back", 2)
    costs.observe("back", 7)
    assert costs.estimate_s("back") == pytest.approx(2 + 5 * NEWEST_WEIGHT)


def test_a_change_is_learnt() -> None:
    costs = LatencyEstimator(0.5)
    costs.observe("back", 100)
    for _ in range(100):
        costs.observe("back", 1)
    assert costs.estimate_s("back") == pytest.approx(1, rel=0.01)
