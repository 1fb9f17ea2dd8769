import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

import pytest

from benchmarks.endurance.record import Part, Soak, compare_halves
from benchmarks.kit.service import ProcessUsage
from phiz.lab.study.machine import Machine

MACHINE = Machine("a processor", (), 2, None, 1, None, 1.0, {})
USAGE = {"service": ProcessUsage(50, 20, 2), "worker 1": ProcessUsage(80, 10, 3)}


def soak_of(
    usages: Sequence[Mapping[str, ProcessUsage]],
    answers: Mapping[str, int] | None = None,
    p99_ms: Sequence[float] = (),
) -> Soak:
    latencies = p99_ms or [100.0] * len(usages)
    parts = [
        Part(60.0 * (place + 1), answers or {"200": 10}, 10.0, latencies[place], usage)
        for place, usage in enumerate(usages)
    ]
    return Soak(MACHINE, ["200", "503"], 100.0, 70.0, parts, [90.0])


def list_missed(soak: Soak) -> list[str]:
    return [goal.what for goal in soak.build_goals() if goal.is_reached is False]


def test_halves_are_compared_by_their_medians_without_the_middle() -> None:
    assert compare_halves([1, 2, 9, 100, 4, 4, 5]) == 2
    assert compare_halves([2.0, 3.0]) == 1.5


def test_constant_figures_reach_every_goal() -> None:
    soak = soak_of([USAGE] * 8)
    soak.left["descriptors left over"] = 0
    assert list_missed(soak) == []
    assert len([*soak.build_goals()]) == 5


def test_growing_process_misses_its_goal_but_not_by_its_start() -> None:
    def used(memory_mb: float) -> dict[str, ProcessUsage]:
        return USAGE | {"worker 1": ProcessUsage(memory_mb, 10, 3)}

    assert list_missed(soak_of([used(60), *[used(80)] * 7])) == []
    grown = soak_of([*[used(80)] * 5, *[used(85)] * 4])
    assert list_missed(grown) == ["memory of worker 1, likewise"]


def test_replaced_worker_is_compared_from_its_own_start() -> None:
    usages = [USAGE] * 6 + [
        {**USAGE, "worker 2": ProcessUsage(mb, 10, 3)} for mb in range(90, 108, 2)
    ]
    assert list_missed(soak_of(usages)) == ["memory of worker 2, likewise"]
    assert "worker 2" not in soak_of(usages[:10]).list_lives()


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param({"200": 9, "503 overloaded": 1, "left": 1}, [], id="documented"),
        pytest.param({"502": 1}, ["requests with an undocumented answer"], id="undocumented"),
        pytest.param({"lost": 1}, ["requests with an undocumented answer"], id="lost"),
        pytest.param({"200 unexpected": 1}, ["requests with an undocumented answer"], id="kind"),
    ],
)
def test_answers_have_to_be_documented(answers: dict[str, int], expected: list[str]) -> None:
    assert list_missed(soak_of([USAGE] * 8, answers)) == expected


def test_slower_second_half_and_leftovers_miss_their_goals() -> None:
    soak = soak_of([USAGE] * 8, p99_ms=[100] * 4 + [130] * 4)
    soak.left["phiz_queue_depth"] = 1
    assert list_missed(soak) == ["p99, second half to first", "phiz_queue_depth"]


def test_chart_has_four_panels_with_a_line_for_each_kill() -> None:
    drawn = ET.fromstring(soak_of([USAGE] * 8).draw())  # noqa: S314  our own
    lines = drawn.findall("{*}polyline")
    assert len([line for line in lines if "stroke-dasharray" in line.attrib]) == 4
    assert {"service", "worker 1"} <= {text.text for text in drawn.findall("{*}text")}
