from collections import Counter
from statistics import median
from typing import Any, cast

import numpy as np
import pytest

from benchmarks.kit.goals import CLOCKS
from benchmarks.kit.workers import ContestEntry, WorkerSet
from benchmarks.speed.contests import (
    Plan,
    compute_differences,
    compute_median,
    compute_ratios,
    run_contest,
)
from phiz.lab.study.timing import rotate_order

# Two rounds of three items, ms.
OURS = np.array([[1.0, 2.0, 9.0], [4.0, 4.0, 4.0]])
OTHER = np.array([[4.0, 1.0, 8.0], [5.0, 6.0, 5.0]])


def test_the_middle_is_of_medians() -> None:
    assert compute_median(OURS) == 3  # of 2 and 4


def test_a_ratio_is_taken_within_each_round() -> None:
    assert compute_ratios(OURS, OTHER) == pytest.approx([2 / 4, 4 / 5])


def test_a_noisy_round_is_left_out_of_a_ratio() -> None:
    ours, other = np.array([[1.0], [900.0], [2.0]]), np.array([[2.0], [3.0], [4.0]])
    assert median(compute_ratios(ours, other)) == 0.5


def test_an_excess_is_taken_within_each_round() -> None:
    assert compute_differences(OURS, OTHER) == pytest.approx([2 - 4, 4 - 5])


@pytest.mark.parametrize(
    ("turn", "expected"), [(0, "abc"), (1, "bca"), (2, "cab"), (3, "abc")], ids=str
)
def test_another_one_begins_at_each_turn(turn: int, expected: str) -> None:
    assert rotate_order("abc", turn) == list(expected)


class MadeWorkers:
    """Whose times are 10 ms and as many more as the item's place; the first round is slow."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def list_contests(self) -> dict[str, list[str]]:
        return {"race": ["a", "b"]}

    def run(self, entry: ContestEntry, item: int, repeats: int) -> list[dict[str, Any]]:
        _, who = entry
        slow = 1000.0 if self.asked.count((who, item)) == 0 else 0.0
        self.asked.append((who, item))
        return [{"wall": slow + 10 + item, "processor": 1.0}] * repeats


def test_a_contest_is_held_in_turns_and_its_first_round_does_not_count() -> None:
    workers = MadeWorkers()
    scores = run_contest(cast("WorkerSet", workers), "race", Plan(items=2, repeats=3), 2)
    assert Counter(workers.asked) == dict.fromkeys([("a", 0), ("a", 1), ("b", 0), ("b", 1)], 3)
    assert [*scores["wall"]] == [*scores["processor"]] == ["a", "b"]
    for by_wall, by_processor in zip(*(scores[clock].values() for clock in CLOCKS), strict=True):
        assert by_wall.times.tolist() == [[10, 11], [10, 11]]
        assert by_processor.times.tolist() == [[1, 1], [1, 1]]
    begins = [who for who, _ in workers.asked[::2]]
    assert begins == ["a", "b", "b", "a", "a", "b"]
