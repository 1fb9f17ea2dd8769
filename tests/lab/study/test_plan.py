from dataclasses import replace

import pytest

from phiz.lab.study.plan import (
    FULL,
    QUICK,
    Combination,
    StudyTask,
    estimate_seconds_left,
    iterate_thread_counts,
    list_combinations,
    plan_tasks,
)
from phiz.models import catalog
from phiz.runtime.variants import Variant
from tests.lab.study.made import BF16, FLOAT32, INT8

MOBILENET = catalog.load_catalog().get_model("mobilenet")


def test_combinations_are_all_variants_threads_and_batches() -> None:
    found = list_combinations("mobilenet", "mobilenet", [FLOAT32, INT8], [1, 2], FULL)
    assert len(found) == len(set(found)) == 2 * 2 * 3
    assert found[0] == Combination("mobilenet", FLOAT32, 1, 1)
    assert Combination("mobilenet", INT8, 2, 16) in found


def test_quick_preset_is_one_image_on_one_thread() -> None:
    found = list_combinations("mobilenet", "mobilenet", [FLOAT32, INT8], [1, 2, 4], QUICK)
    assert [each.is_plain for each in found] == [True, True]


@pytest.mark.parametrize("architecture", ["pnet", "rnet", "onet"])
def test_cascade_networks_have_no_batches(architecture: str) -> None:
    found = list_combinations("net", architecture, [FLOAT32], [1, 2], FULL)  # type: ignore[arg-type]
    assert [each.batch for each in found] == [1, 1]


def test_tasks_of_a_network_are_far_apart_and_unique() -> None:
    ways = {
        name: list_combinations(name, "mobilenet", [FLOAT32, BF16], [1], FULL)
        for name in ("a", "b")
    }
    tasks = list(plan_tasks(ways, [MOBILENET], FULL))
    # Both networks' plain times, on every second round their others and the model's pace, once
    # its quality, and at the end the memory of two variants with three batches.
    assert len(set(map(str, tasks))) == len(tasks) == 6 * 2 + 3 * (2 + 1) + 1 + 2 * 2 * 3
    assert [str(task) for task in tasks][:9] == [
        "times of a, visit 1",
        "times of a in batches or on several threads, visit 1",
        "times of b, visit 1",
        "times of b in batches or on several threads, visit 1",
        "pace of mobilenet, visit 1",
        "quality of mobilenet, visit 1",
        "times of a, visit 2",
        "times of b, visit 2",
        "times of a, visit 3",
    ]
    assert [task.round_index for task in tasks if task.kind == "pace"] == [0, 2, 4]
    assert {task.kind for task in tasks[-12:]} == {"memory"}


def test_one_round_measures_everything() -> None:
    ways = {"a": (Combination("a", FLOAT32, 1, 1),)}
    once = type(FULL)(rounds=1, every=1, runs=1, plain_s=1, other_s=1, batches=(1,))
    kinds = [task.kind for task in plan_tasks(ways, [MOBILENET], once)]
    assert kinds == ["times", "pace", "quality", "memory"]


def test_preset_may_leave_out_memory() -> None:
    ways = {"a": (Combination("a", FLOAT32, 1, 1),)}
    tasks = list(plan_tasks(ways, [MOBILENET], replace(QUICK, has_memory=False)))
    assert {task.kind for task in tasks} == {"times", "pace", "quality"}


@pytest.mark.parametrize(
    ("available", "expected"), [(1, [1]), (2, [1, 2]), (3, [1, 2]), (8, [1, 2, 4, 8])]
)
def test_thread_counts_double(available: int, expected: list[int]) -> None:
    assert list(iterate_thread_counts(available)) == expected


def test_time_left_is_that_of_the_same_task() -> None:
    combination = (Combination("a", Variant("openvino", "bf16"), 1, 1),)
    first, second = StudyTask("times", "a", 0, combination), StudyTask("times", "a", 1, combination)
    assert estimate_seconds_left([second], {first: 40.0}) == 40.0
    assert estimate_seconds_left([first, second], {}) > 0
    # Another network takes as long as this one did.
    other = StudyTask("times", "b", 0, combination)
    expected_s = estimate_seconds_left([other], {})
    assert estimate_seconds_left([other], {first: 3 * expected_s}) == pytest.approx(3 * expected_s)


def test_time_left_tells_one_thread_from_several() -> None:
    one = (Combination("pnet", FLOAT32, 1, 1),)
    two = (Combination("pnet", FLOAT32, 2, 1),)
    left = [StudyTask("times", "pnet", 1, one), StudyTask("times", "pnet", 2, two)]
    taken = {StudyTask("times", "pnet", 0, one): 10.0, StudyTask("times", "pnet", 0, two): 4.0}
    assert estimate_seconds_left(left, taken) == 14.0


def test_time_left_is_zero_at_the_end() -> None:
    assert estimate_seconds_left([], {}) == 0
