import math

import pytest

from phiz.detectors.time_budget import ENCODING_RESERVE_S, TimeBudget
from phiz.timings import Stopwatch


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_left_is_the_budget_less_the_work_so_far() -> None:
    clock = Clock()
    budget = TimeBudget(0.020, Stopwatch(clock=clock))
    clock.now += 0.005
    assert budget.get_remaining_s() == pytest.approx(0.015 - ENCODING_RESERVE_S)


def test_waiting_in_a_queue_costs_nothing() -> None:
    clock = Clock()
    stopwatch = Stopwatch(clock=clock)
    clock.now += 3
    stopwatch.lap("queue")
    clock.now += 0.002
    assert TimeBudget(0.010, stopwatch).get_remaining_s() == pytest.approx(
        0.008 - ENCODING_RESERVE_S
    )


def test_without_a_budget_there_is_no_end() -> None:
    budget = TimeBudget(None, Stopwatch())
    assert budget.get_remaining_s() == math.inf
    assert budget.count_affordable(1.0, 0.5, max_count=7) == 7


@pytest.mark.parametrize(
    ("each_s", "share", "most", "expected"),
    [
        pytest.param(0.001, 1.0, 100, 9, id="as many as fit"),
        pytest.param(0.001, 0.5, 100, 4, id="into a share"),
        pytest.param(0.001, 1.0, 3, 3, id="at most so many"),
        pytest.param(0.020, 1.0, 100, 0, id="none"),
    ],
)
def test_what_is_afforded(each_s: float, share: float, most: int, expected: int) -> None:
    budget = TimeBudget(0.0097 + ENCODING_RESERVE_S, Stopwatch(clock=Clock()))
    assert budget.count_affordable(each_s, share, most) == expected


def test_nothing_is_afforded_once_the_time_is_over() -> None:
    clock = Clock()
    budget = TimeBudget(0.005, Stopwatch(clock=clock))
    clock.now += 1
    assert budget.count_affordable(0.001, 1.0, 100) == 0
