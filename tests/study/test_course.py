from dataclasses import replace
from typing import Any

from phiz.study.course import collect
from phiz.study.plan import Combination, Lot
from phiz.study.timing import Turns
from tests.study.made import FLOAT32, INT8, quality

PLAIN = [Combination("front", variant, 1, 1) for variant in (FLOAT32, INT8)]
JUDGED = [replace(quality("front", each, 0.5), visits_ms=()) for each in (FLOAT32, INT8)]


def test_all_that_was_measured_of_something_comes_together() -> None:
    answers: dict[str, Any] = {}
    lots: list[Lot] = []
    for visit, slower in enumerate((1, 2, 1)):
        lots += [Lot("times", "front", visit, tuple(PLAIN)), Lot("pace", "front", visit)]
        answers |= {
            str(lots[-2]): {str(each): Turns((slower * 500,), 0.001) for each in PLAIN},
            str(lots[-1]): {str(each.variant): Turns((slower * 900,), 0.001) for each in JUDGED},
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
