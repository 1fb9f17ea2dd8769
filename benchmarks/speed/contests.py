"""Contests: participants with the same task take turns, so that they meet the same noise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.goals import CLOCKS, Clock
from benchmarks.kit.workers import WorkerSet
from phiz.lab.commands.progress import track_items
from phiz.lab.study.timing import rotate_order

Turn: TypeAlias = list[dict[str, Any]]
"""The facts of the runs of one turn."""

Times: TypeAlias = NDArray[np.float64]
"""(rounds, items), ms: each the median of the runs of one turn."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a contest is held: to how many items, and how often at each turn."""

    items: int
    repeats: int


@dataclass(frozen=True, slots=True)
class ContestResult:
    """The times of one participant, ms: (rounds, items), also by stage, and sums by clock.

    ``boxes`` are of the faces of each item, (F, 4) in pixels. Both are empty if unknown.
    """

    times: Times
    stages: Mapping[str, Times]
    boxes: Sequence[Sequence[Sequence[float]]]
    sums: Mapping[Clock, float]

    @property
    def median_ms(self) -> float:
        """Median over rounds of the median over items."""
        return compute_median(self.times)


ContestResults: TypeAlias = Mapping[str, Mapping[str, ContestResult]]
"""By contest and participant."""


def compute_median(times: Times) -> float:
    """Return the median over rounds of the median over items."""
    return float(np.median(np.median(times, axis=1)))


def compute_ratios(times: Times, reference: Times) -> list[float]:
    """Return by round the ratio of medians over items."""
    ratios: list[float] = (np.median(times, axis=1) / np.median(reference, axis=1)).tolist()
    return ratios


def compute_differences(times: Times, reference: Times) -> list[float]:
    """Return by round the difference of medians over items."""
    differences: list[float] = (np.median(times, axis=1) - np.median(reference, axis=1)).tolist()
    return differences


def run_contest(
    workers: WorkerSet, contest: str, plan: Plan, rounds: int
) -> dict[Clock, dict[str, ContestResult]]:
    """Return the times of all participants of a contest, by clock and name.

    A first round does not count. Stages always have the wall's clock.

    Raises:
        BenchmarkError: A worker has ended, or does not answer.
    """
    turns: dict[str, list[Turn]] = {who: [] for who in workers.list_contests()[contest]}
    for turn in track_items(range(1 + rounds), contest):
        for item in range(plan.items):
            for who in rotate_order(list(turns), turn + item):
                turns[who].append(workers.run((contest, who), item, plan.repeats))
    counted = {who: taken[plan.items :] for who, taken in turns.items()}
    return {
        clock: {who: summarise_turns(taken, plan.items, clock) for who, taken in counted.items()}
        for clock in CLOCKS
    }


def summarise_turns(turns: Sequence[Turn], items: int, clock: Clock) -> ContestResult:
    """Return the times of turns that went through all items, round by round."""
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
