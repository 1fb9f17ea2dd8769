from pathlib import Path

import pytest

from phiz.errors import SettingError
from phiz.study.journal import Answer, Journal
from phiz.study.plan import Combination, Lot
from phiz.study.timing import Turns
from tests.study.made import FLOAT32, quality

WAY = Combination("front", FLOAT32, 1, 1)
ANSWERS: list[tuple[Lot, Answer]] = [
    (Lot("times", "front", 0, (WAY,)), {str(WAY): Turns((100, 110), 0.5)}),
    (Lot("quality", "front"), [quality("front", FLOAT32, 0.5, excess={"front": 0.25})]),
    (Lot("memory", "front", 0, (WAY,)), 123),
]


def test_what_is_finished_is_taken_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", {"machine": 1})
    for lot, answer in ANSWERS:
        journal.add(lot, answer, 2.5)
    again = Journal(tmp_path / "journal", {"machine": 1})
    assert again.answers == journal.answers == {str(lot): answer for lot, answer in ANSWERS}
    assert set(again.seconds.values()) == {2.5}


def test_of_something_else_nothing_is_taken_up(tmp_path: Path) -> None:
    Journal(tmp_path / "journal", {"machine": 1}).add(*ANSWERS[2], 1.0)
    assert Journal(tmp_path / "journal", {"machine": 2}).answers == {}
    assert Journal(tmp_path / "journal", {"machine": 1}).answers == {}


def test_a_half_written_line_is_left_out_and_no_line_is_added_to_it(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal(path, {}).add(*ANSWERS[2], 1.0)
    path.write_text(path.read_text() + '{"lot": "times of fr')
    journal = Journal(path, {})
    assert list(journal.answers) == [str(ANSWERS[2][0])]
    journal.add(*ANSWERS[1], 1.0)
    assert len(Journal(path, {}).answers) == 2


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be written"):
        Journal(tmp_path / "nowhere" / "journal", {})
