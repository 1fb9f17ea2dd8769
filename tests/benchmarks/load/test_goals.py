from dataclasses import replace

import pytest

from benchmarks.load.closed import ClosedLoopResult
from benchmarks.load.contenders import BENTOML, LITSERVE, MEDIAPIPE, MOSEC, PHIZ
from benchmarks.load.goals import build_goals, compute_overhead_ms
from benchmarks.load.opened import OpenLoopResult
from benchmarks.load.rounds import Round

STEADY = OpenLoopResult(
    offered=280,
    answered=1400,
    rate=280,
    p50_ms=2,
    p99_ms=5,
    most_ms=9,
    expired=0,
    refused=0,
    refusal_ms=0,
    refusal_p99_ms=0,
    late_ms=0,
)
OVERLOAD = replace(STEADY, rate=380, most_ms=400, expired=2, refused=9, refusal_p99_ms=7)
RATES = {PHIZ: 400.0, MEDIAPIPE: 160.0, LITSERVE: 250.0, BENTOML: 200.0, MOSEC: 500.0}
ROUND = Round(
    alone_ms=dict.fromkeys(RATES, 2.0),
    closed={name: ClosedLoopResult(rate, 20, 30) for name, rate in RATES.items()},
    two=ClosedLoopResult(720, 10, 20),
    excess_ms=0.4,
    steady=STEADY,
    overload=OVERLOAD,
    overload_share=0.93,
)
EXPECTED = (
    0.8,  # 400 requests/s of 2 ms
    2.5,  # 400 to 160
    0.25,  # 0.5 ms beyond 2 to LitServe's 2
    0.5 / 3,  # to BentoML's 3
    0.8,  # 400 to 500
    1.8,  # 720 to 400
    0.4,
    2.5,  # 5 to 2
    0.8,  # 400 of 500 ms
    2,
    0.95,  # 380 of 400
    7,
    0.93,
)


def test_every_goal_is_the_figure_that_it_names() -> None:
    assert [goal.figure for goal in build_goals([ROUND])] == pytest.approx(list(EXPECTED))


def test_part_that_was_not_measured_has_no_goal() -> None:
    alone = Round(alone_ms={PHIZ: 2.0}, closed={PHIZ: ClosedLoopResult(400, 20, 30)})
    assert [goal.figure for goal in build_goals([alone])] == pytest.approx([0.8])


def test_a_figure_is_the_median_of_those_of_the_rounds() -> None:
    rounds = [replace(ROUND, excess_ms=ms) for ms in (0.9, 0.1, 0.5)]
    (goal,) = [goal for goal in build_goals(rounds) if goal.figure == pytest.approx(0.5)]
    assert goal.rounds == [0.9, 0.1, 0.5]


def test_overhead_is_the_time_of_an_answer_beyond_the_same_in_process() -> None:
    assert compute_overhead_ms(ROUND, LITSERVE) == pytest.approx(2)
