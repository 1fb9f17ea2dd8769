import math
import time

import pytest

from phiz.detectors.time_budget import (
    ENCODING_RESERVE_S,
    TRIAL_COUNT,
    TimeBudget,
    measure_step_s,
)
from phiz.timings import Stopwatch


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_left_is_the_budget_less_the_work_so_far() -> None:
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


def test_time_left_is_endless_without_a_budget() -> None:
    budget = TimeBudget(None, Stopwatch())
    assert budget.get_remaining_s() == math.inf


def test_no_time_is_left_once_it_is_over() -> None:
    clock = Clock()
    budget = TimeBudget(0.005, Stopwatch(clock=clock))
    clock.now += 1
    assert budget.get_remaining_s() < 0


@pytest.mark.parametrize("seconds", [0.004, 0.012])
def test_a_step_is_expected_to_take_a_quarter_longer_than_its_fastest_trial(seconds: float) -> None:
    taken_s: list[float] = []

    def sleep() -> None:
        began_s = time.perf_counter()
        time.sleep(seconds)
        taken_s.append(time.perf_counter() - began_s)

    cost_s = measure_step_s(sleep)
    assert len(taken_s) == TRIAL_COUNT + 1
    fastest_s = min(taken_s[1:])  # the first is a warm-up
    assert 1.2 < cost_s / fastest_s < 1.4
