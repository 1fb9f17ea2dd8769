from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from phiz.errors import WorkerDiedError
from phiz.lab.study.checkpoint import Answer, Journal
from phiz.lab.study.plan import QUICK, Combination, Lot
from phiz.lab.study.run import Course, collect, run
from phiz.lab.study.timing import Turns
from phiz.runtime.isa import LIMITS
from tests.lab.study.made import FLOAT32, INT8, MACHINE, quality

COURSE = Course((), Path(), None, QUICK)


@pytest.fixture(autouse=True)
def _unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LIMITS[0], raising=False)


def subject_matter(course: Course = COURSE) -> dict[str, Any]:
    return course.subject_matter(MACHINE)


def test_what_is_measured_otherwise_is_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = subject_matter()
    assert usual == subject_matter()
    assert usual != subject_matter(replace(COURSE, emulated="half of it"))
    assert usual != subject_matter(replace(COURSE, data=Path("data")))
    monkeypatch.setenv(LIMITS[0], "AVX2")
    assert usual != subject_matter()
    monkeypatch.setenv(LIMITS[0], "")
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


PLAIN = [Combination("front", variant, 1, 1) for variant in (FLOAT32, INT8)]
JUDGED = [replace(quality("front", each, 0.5), visits_ms=()) for each in (FLOAT32, INT8)]


def test_all_that_was_measured_of_something_comes_together() -> None:
    answers: dict[str, Any] = {}
    lots: list[Lot] = []
    for visit, slower in enumerate((1, 2, 1)):
        lots += [Lot("times", "front", visit, tuple(PLAIN)), Lot("pace", "front", visit)]
        answers |= {
            str(lots[-2]): {str(each): Turns((slower * 500,), 0.001) for each in PLAIN},
            str(lots[-1]): {str(each.variant): [slower * 0.0009] for each in JUDGED},
        }
    judged, held = Lot("quality", "front"), Lot("memory", "front", 0, (PLAIN[0],))
    figures, qualities = collect(
        [*lots, judged, held], {**answers, str(judged): JUDGED, str(held): 123}
    )
    assert [each.combination for each in figures] == PLAIN
    assert [each.visits_ms for each in figures] == [(0.5, 1.0, 0.5)] * 2
    assert [each.peak_bytes for each in figures] == [123, None]
    assert list(qualities) == [replace(each, visits_ms=(0.9, 1.8, 0.9)) for each in JUDGED]
    assert qualities[0].median_ms == 0.9
