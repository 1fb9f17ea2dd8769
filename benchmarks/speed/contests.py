"""Who is how fast: all who do the same take turns, so that they meet the same noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.report import track_progress
from benchmarks.kit.workers import WorkerSet
from phiz.lab.study.timing import rotate_order

Turn: TypeAlias = list[dict[str, Any]]
"""What a worker tells of the runs of one turn."""

Clock: TypeAlias = Literal["wall", "processor"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)

Times: TypeAlias = NDArray[np.float64]
"""(rounds, items), ms: each the median of the runs of one turn."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a contest is held: to how many items, and how often at each turn."""

    items: int
    repeats: int


@dataclass(frozen=True, slots=True)
class ContestResult:
    """How one who took part did.

    Attributes:
        times: (rounds, items), ms.
        stages: By name, likewise; empty where it does not tell.
        boxes: Of the faces of each item, (F, 4) in pixels; empty where it does not tell.
        sums: By clock, ms of all runs.
    """

    times: Times
    stages: Mapping[str, Times]
    boxes: Sequence[Sequence[Sequence[float]]]
    sums: Mapping[Clock, float]

    @property
    def median_ms(self) -> float:
        """Its time."""
        return compute_median(self.times)


ContestResults: TypeAlias = Mapping[str, Mapping[str, ContestResult]]
"""By contest, and by who took part."""


def compute_median(times: Times) -> float:
    """Return the median over rounds of the median over items."""
    return float(np.median(np.median(times, axis=1)))


def compute_ratio(times: Times, reference: Times) -> float:
    """Return the median over rounds of the ratio, in one round, of medians over items."""
    return float(np.median(np.median(times, axis=1) / np.median(reference, axis=1)))


def compute_difference(times: Times, reference: Times) -> float:
    """Return the median over rounds of the difference, in one round, of medians over items."""
    return float(np.median(np.median(times, axis=1) - np.median(reference, axis=1)))


def run_contest(
    workers: WorkerSet, contest: str, plan: Plan, rounds: int, clock: Clock
) -> dict[str, ContestResult]:
    """Return by name how all did who take part in a contest.

    Args:
        workers: Has them.
        contest: In question.
        plan: How it is held.
        rounds: That count, after one that does not.
        clock: That times are read from; stages are always told by the wall's.

    Raises:
        WorkerError: A worker has ended, or does not answer.
    """
    turns: dict[str, list[Turn]] = {who: [] for who in workers.list_contests()[contest]}
    for turn in track_progress(range(1 + rounds), contest):
        for item in range(plan.items):
            for who in rotate_order(list(turns), turn + item):
                turns[who].append(workers.run((contest, who), item, plan.repeats))
    return {
        who: summarise_turns(taken[plan.items :], plan.items, clock) for who, taken in turns.items()
    }


def summarise_turns(turns: Sequence[Turn], items: int, clock: Clock) -> ContestResult:
    """Return the score of turns that went through all items, round by round."""
    times = [median(run[clock] for run in turn) for turn in turns]
    names = {name: None for turn in turns for run in turn for name in run.get("stages", ())}
    stages = {
        # A picture without proposals never comes to the later networks.
        name: [median(run["stages"].get(name, 0.0) for run in turn) for turn in turns]
        for name in names
    }
    return ContestResult(
        np.reshape(times, (-1, items)),
        {name: np.reshape(each, (-1, items)) for name, each in stages.items()},
        [turn[-1].get("boxes", []) for turn in turns[-items:]],
        {each: sum(run[each] for turn in turns for run in turn) for each in CLOCKS},
    )
