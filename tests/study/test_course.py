from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import WorkerDiedError
from phiz.study.course import Course, run
from phiz.study.journal import Answer, Journal
from phiz.study.machine import LIMIT
from phiz.study.plan import QUICK, Lot
from tests.study.made import MACHINE

COURSE = Course((), Path(), None, QUICK)


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMIT, raising=False)


def subject_matter(course: Course = COURSE) -> dict[str, Any]:
    return course.subject_matter(MACHINE)


def test_what_is_measured_otherwise_is_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = subject_matter()
    assert usual == subject_matter()
    assert usual != subject_matter(replace(COURSE, emulated="half of it"))
    assert usual != subject_matter(replace(COURSE, data=Path("data")))
    monkeypatch.setenv(LIMIT, "AVX2")
    assert usual != subject_matter()
    monkeypatch.setenv(LIMIT, "")
    assert usual == subject_matter()


def test_the_clock_of_the_moment_is_nothing_else() -> None:
    assert subject_matter() == COURSE.subject_matter(replace(MACHINE, clock_mhz=1.0))


LOTS = [Lot("quality", "front"), Lot("quality", "back")]


def failing_at(subject: str) -> Callable[[Lot], Answer]:
    def measure(lot: Lot) -> Answer:
        if lot.subject == subject:
            raise WorkerDiedError("the process ended")
        return []

    return measure


def test_who_dies_is_named_and_what_was_measured_before_is_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {})
    with pytest.raises(
        WorkerDiedError, match=r"^quality of back, visit 1: the process ended; the same command"
    ):
        list(run(LOTS, journal, QUICK, failing_at("back")))
    assert list(Journal(tmp_path, {}).answers) == [str(LOTS[0])]
    list(run(LOTS, Journal(tmp_path, {}), QUICK, failing_at("front")))
    assert len(Journal(tmp_path, {}).answers) == 2
