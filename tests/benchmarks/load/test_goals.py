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
COSTS = {  # ms of processor time a request: of the first process, and of all others
    PHIZ: (0.2, 2.3),
    MEDIAPIPE: (6.25, 0.0),
    LITSERVE: (1.0, 3.0),
    BENTOML: (2.0, 3.0),
    MOSEC: (0.0, 2.0),
}
RATES = {PHIZ: 400.0, MEDIAPIPE: 160.0, LITSERVE: 250.0, BENTOML: 200.0, MOSEC: 500.0}
OURS = ClosedLoopResult(400, 20, 30, *COSTS[PHIZ], None, None)
ROUND = Round(
    alone_ms=dict.fromkeys(RATES, 2.0),
    alone_processor_ms=dict.fromkeys(RATES, 1.9),
    closed={
        name: ClosedLoopResult(rate, 20, 30, *COSTS[name], None, None)
        for name, rate in RATES.items()
    },
    beside={name: OURS for name in RATES if name != PHIZ},
    one=OURS,
    two=replace(OURS, rate=720, service_ms=0.3, workers_ms=2.2),
    portrait=replace(OURS, service_ms=0.3, workers_ms=2.5),
    capacity=400.0,
    excess_ms=0.4,
    steady=STEADY,
    overload=OVERLOAD,
    overload_share=0.93,
)
EXPECTED = (
    0.8,  # 400 requests/s of 2 ms
    0.2,
    0.2 / 2.3,
    2.5,  # 400 to 160
    0.4,  # 2.5 ms to 6.25
    0.6 / 2.1,  # 0.6 ms beyond 1.9 to LitServe's 2.1
    0.6 / 3.1,  # to BentoML's 3.1
    0.8,  # 400 to 500
    0.8,  # of 2.0 ms and 2.5
    1.8,  # 720 to 400
    2,  # twice 2.5 ms to 2.5
    0.12,  # 0.3 ms to 2.5
    2.5,
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
    alone = Round(alone_ms={PHIZ: 2.0}, closed={PHIZ: OURS})
    assert [goal.figure for goal in build_goals([alone])] == pytest.approx(list(EXPECTED[:3]))


def test_part_of_some_rounds_has_those_alone() -> None:
    without = replace(ROUND, one=None, two=None)
    goals = {goal.what: goal for goal in build_goals([ROUND, without, without])}
    assert len(goals["two workers on two cores, to one on one"].rounds) == 1
    assert len(goals["overhead, to LitServe's"].rounds) == 3


def test_a_figure_is_the_median_of_those_of_the_rounds() -> None:
    rounds = [replace(ROUND, excess_ms=ms) for ms in (0.9, 0.1, 0.5)]
    (goal,) = [goal for goal in build_goals(rounds) if goal.figure == pytest.approx(0.5)]
    assert goal.rounds == [0.9, 0.1, 0.5]


def test_overhead_is_the_time_of_an_answer_beyond_the_same_in_process() -> None:
    assert compute_overhead_ms(ROUND, LITSERVE) == pytest.approx(2.1)


def test_peer_is_compared_with_phiz_in_its_own_turns() -> None:
    apart = replace(ROUND, beside={**ROUND.beside, MOSEC: replace(OURS, rate=600, service_ms=0)})
    goals = {goal.what: goal.figure for goal in build_goals([apart])}
    assert goals["requests/s, to mosec's, bodies as they are"] == pytest.approx(600 / 500)
    what = "requests for processor time, to mosec's, bodies as they are"
    assert goals[what] == pytest.approx(2 / 2.3)
