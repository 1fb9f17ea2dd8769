from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import WorkerDiedError
from phiz.lab.study.checkpoint import Checkpoint, TaskResult
from phiz.lab.study.plan import QUICK, Combination, StudyTask
from phiz.lab.study.run import StudyRun, collect_results, run_tasks
from phiz.lab.study.timing import RunTimes
from phiz.runtime.isa import ISA_VARIABLES
from tests.lab.study.made import FLOAT32, INT8, MACHINE, quality

STUDY_RUN = StudyRun((), None, QUICK)


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ISA_VARIABLES[0], raising=False)


def fingerprint(run: StudyRun = STUDY_RUN) -> dict[str, Any]:
    return run.build_fingerprint(MACHINE)


def test_fingerprint_changes_with_the_study(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = fingerprint()
    assert usual == fingerprint()
    assert usual != fingerprint(replace(STUDY_RUN, emulated="half of it"))
    assert usual != fingerprint(replace(STUDY_RUN, data=Path("data")))
    monkeypatch.setenv(ISA_VARIABLES[0], "AVX2")
    assert usual != fingerprint()
    monkeypatch.setenv(ISA_VARIABLES[0], "")
    assert usual == fingerprint()


def test_fingerprint_ignores_the_clock() -> None:
    assert fingerprint() == STUDY_RUN.build_fingerprint(replace(MACHINE, clock_mhz=1.0))


TASKS = [StudyTask("quality", "front"), StudyTask("quality", "back")]


def fail_at(subject: str) -> Callable[[StudyTask], TaskResult]:
    def measure(task: StudyTask) -> TaskResult:
        if task.target == subject:
            raise WorkerDiedError("the process ended")
        return []

    return measure


def test_dead_task_is_named_and_earlier_results_are_kept(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, {})
    with pytest.raises(WorkerDiedError, match=r"^quality of back, visit 1: the process ended$"):
        list(run_tasks(TASKS, checkpoint, fail_at("back")))
    assert list(Checkpoint(tmp_path, {}).results) == [str(TASKS[0])]
    list(run_tasks(TASKS, Checkpoint(tmp_path, {}), fail_at("front")))
    assert len(Checkpoint(tmp_path, {}).results) == 2


PLAIN = [Combination("front", variant, 1, 1) for variant in (FLOAT32, INT8)]
JUDGED = [replace(quality("front", each, 0.5), visits_ms=()) for each in (FLOAT32, INT8)]


def test_results_of_all_rounds_are_collected() -> None:
    answers: dict[str, Any] = {}
    tasks: list[StudyTask] = []
    for round_number, slower in enumerate((1, 2, 1)):
        tasks += [
            StudyTask("times", "front", round_number, tuple(PLAIN)),
            StudyTask("pace", "front", round_number),
        ]
        answers |= {
            str(tasks[-2]): {str(each): RunTimes((slower * 500,), 0.001) for each in PLAIN},
            str(tasks[-1]): {str(each.variant): [slower * 0.0009] for each in JUDGED},
        }
    judged, held = StudyTask("quality", "front"), StudyTask("memory", "front", 0, (PLAIN[0],))
    figures, qualities = collect_results(
        [*tasks, judged, held], {**answers, str(judged): JUDGED, str(held): 123}
    )
    assert [each.combination for each in figures] == PLAIN
    assert [each.visits_ms for each in figures] == [(0.5, 1.0, 0.5)] * 2
    assert [each.peak_bytes for each in figures] == [123, None]
    assert list(qualities) == [replace(each, visits_ms=(0.9, 1.8, 0.9)) for each in JUDGED]
    assert qualities[0].median_ms == 0.9
