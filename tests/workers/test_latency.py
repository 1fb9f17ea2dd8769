import pytest

from phiz.workers.latency import WEIGHT, Costs


def test_what_was_never_done_takes_what_was_said() -> None:
    assert Costs(0.5).expected("back") == 0.5


def test_the_first_time_is_the_mean() -> None:
    costs = Costs(0.5)
    costs.observe("back", 2)
    assert (costs.expected("back"), costs.expected("front")) == (2, 0.5)


def test_the_newest_time_has_its_weight() -> None:
    costs = Costs(0.5)
    costs.observe("back", 2)
    costs.observe("back", 7)
    assert costs.expected("back") == pytest.approx(2 + 5 * WEIGHT)


def test_a_change_is_learnt() -> None:
    costs = Costs(0.5)
    costs.observe("back", 100)
    for _ in range(100):
        costs.observe("back", 1)
    assert costs.expected("back") == pytest.approx(1, rel=0.01)
