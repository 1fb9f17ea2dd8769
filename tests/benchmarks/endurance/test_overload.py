from dataclasses import replace

from benchmarks.endurance.overload import Round, build_goals
from benchmarks.load.opened import OpenLoopResult

OVERLOAD = OpenLoopResult(
    *(1200, 380, 300, 400, 450),
    expired=0,
    refused=900,
    refusal_ms=2,
    refusal_p99_ms=9,
    late_ms=0,
)
ROUND = Round(capacity=500, capacity_rate=400, answered=470, overload=OVERLOAD)


def test_work_is_compared_by_processor_time_and_by_the_median_of_rounds() -> None:
    rounds = [replace(ROUND, answered=answered) for answered in (470, 250, 460)]
    share, *_ = build_goals(rounds)
    assert (share.figure, share.is_reached) == (0.92, True)


def test_slow_refusals_and_any_late_answer_miss_their_goals() -> None:
    late = replace(ROUND, overload=replace(OVERLOAD, expired=1, refusal_p99_ms=21))
    missed = [goal.what for goal in build_goals([ROUND, late, late]) if goal.is_reached is False]
    assert missed == ["99th percentile of refusals, ms", "admitted and not answered in time"]
