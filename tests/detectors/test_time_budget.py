import math
import time
from typing import Any

import pytest

from phiz.detectors.mtcnn import ONET_BATCH_SIZE, RNET_BATCH_SIZE
from phiz.detectors.time_budget import ENCODING_RESERVE_S, TimeBudget, measure_step_costs
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
def test_steps_that_fit_the_time_left_are_afforded(
    each_s: float, share: float, most: int, expected: int
) -> None:
    budget = TimeBudget(0.0097 + ENCODING_RESERVE_S, Stopwatch(clock=Clock()))
    assert budget.count_affordable(each_s, share, most) == expected


def test_no_step_is_afforded_once_the_time_is_over() -> None:
    clock = Clock()
    budget = TimeBudget(0.005, Stopwatch(clock=clock))
    clock.now += 1
    assert budget.count_affordable(0.001, 1.0, 100) == 0


class Sleeping:
    """A network whose steps take a time that they note themselves."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.taken_s: dict[str, list[float]] = {}

    def sleep(self, step: str) -> None:
        began_s = time.perf_counter()
        time.sleep(self.seconds)
        self.taken_s.setdefault(step, []).append(time.perf_counter() - began_s)

    def detect(self, *_: object) -> None:
        self.sleep("detect")

    def propose_level(self, *_: object) -> None:
        self.sleep("pnet")

    def run_rnet(self, *_: object) -> None:
        self.sleep("rnet")

    def run_onet(self, *_: object) -> None:
        self.sleep("onet")

    def fastest_s(self, step: str) -> float:
        """The fastest time, but for the first, which is a trial of the trial."""
        return min(self.taken_s[step][1:])


@pytest.mark.parametrize("seconds", [0.004, 0.012])
def test_steps_are_expected_to_take_a_quarter_longer_than_the_fastest_trial(seconds: float) -> None:
    front: Any = Sleeping(seconds)
    cascade: Any = Sleeping(seconds)
    costs = measure_step_costs({"front": front}, cascade)
    expected = {
        "front": (costs.first_pass_s["front"], front.fastest_s("detect")),
        "pnet": (costs.pnet_s_per_px * 320 * 240, cascade.fastest_s("pnet")),
        "rnet": (costs.rnet_s_per_crop * RNET_BATCH_SIZE, cascade.fastest_s("rnet")),
        "onet": (costs.onet_s_per_crop * ONET_BATCH_SIZE, cascade.fastest_s("onet")),
    }
    for step, (cost_s, fastest_s) in expected.items():
        assert 1.2 < cost_s / fastest_s < 1.4, step
