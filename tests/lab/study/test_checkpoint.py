import errno
from pathlib import Path

import pytest

from phiz.errors import SettingError
from phiz.lab.study.checkpoint import Answer, Journal
from phiz.lab.study.plan import Combination, Lot
from phiz.lab.study.timing import Turns
from tests.lab.study.made import FLOAT32, quality

WAY = Combination("front", FLOAT32, 1, 1)
ANSWERS: list[tuple[Lot, Answer]] = [
    (Lot("times", "front", 0, (WAY,)), {str(WAY): Turns((100, 110), 0.5)}),
    (Lot("pace", "front"), {str(FLOAT32): [0.0011, 0.0012]}),
    (Lot("quality", "front"), [quality("front", FLOAT32, 0.5, excess={"front": 0.25})]),
    (Lot("memory", "front", 0, (WAY,)), 123),
]


def file_in(folder: Path) -> Path:
    """The only one there."""
    (path,) = folder.iterdir()
    return path


def test_what_is_finished_is_taken_up(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {"machine": 1})
    for lot, answer in ANSWERS:
        journal.add(lot, answer, 2.5)
    again = Journal(tmp_path, {"machine": 1})
    assert again.answers == journal.answers == {str(lot): answer for lot, answer in ANSWERS}
    assert set(again.seconds.values()) == {2.5}


def test_the_hosts_share_is_that_of_all_lots(tmp_path: Path) -> None:
    first, second, third, _ = ANSWERS
    journal = Journal(tmp_path, {})
    assert journal.stolen is None
    journal.add(*first, 9.0, 1.0)
    journal.add(*second, 1.0, 0.5)
    assert Journal(tmp_path, {}).stolen == journal.stolen == 0.15
    journal.add(*third, 1.0)
    assert journal.stolen is None


def test_what_is_taken_up_began_when_it_was_first_begun(tmp_path: Path) -> None:
    begun = Journal(tmp_path, {}).begun
    path = file_in(tmp_path)
    path.write_text(path.read_text().replace(begun, "2026-01-01T00:00:00+00:00"))
    assert Journal(tmp_path, {}).begun == "2026-01-01T00:00:00+00:00"
    assert Journal(tmp_path, {}, fresh=True).begun >= begun


def test_of_something_else_nothing_is_taken_up_and_nothing_is_lost(tmp_path: Path) -> None:
    first = Journal(tmp_path, {"machine": 1})
    first.add(*ANSWERS[-1], 1.0)
    other = Journal(tmp_path, {"machine": 2})
    assert other.answers == {}
    other.remove()
    assert Journal(tmp_path, {"machine": 1}).answers == first.answers
    first.remove()
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_begun_anew(tmp_path: Path) -> None:
    Journal(tmp_path, {}).add(*ANSWERS[-1], 1.0)
    assert Journal(tmp_path, {}, fresh=True).answers == {}
    assert Journal(tmp_path, {}).answers == {}


@pytest.mark.parametrize("first", ["", "null", "[]", '{"subject": {"machine": 2}, "begun": "x"}'])
def test_a_file_that_is_about_something_else_is_begun_anew(tmp_path: Path, first: str) -> None:
    Journal(tmp_path, {"machine": 1}).add(*ANSWERS[-1], 1.0)
    path = file_in(tmp_path)
    _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *rest, ""]))
    assert Journal(tmp_path, {"machine": 1}).answers == {}


def test_a_half_written_line_is_left_out_and_no_line_is_added_to_it(tmp_path: Path) -> None:
    Journal(tmp_path, {}).add(*ANSWERS[-1], 1.0)
    path = file_in(tmp_path)
    path.write_text(path.read_text() + '{"lot": "times of fr')
    journal = Journal(tmp_path, {})
    assert list(journal.answers) == [str(ANSWERS[-1][0])]
    journal.add(*ANSWERS[1], 1.0)
    assert len(Journal(tmp_path, {}).answers) == 2


@pytest.mark.parametrize(
    "broken", [b"\xff\xfe\n", b'"\xff"\n', b"{}\n", b"[]\n", b'{"seconds": 1, "answer": 2}\n']
)
def test_after_a_broken_line_nothing_is_taken_up(tmp_path: Path, broken: bytes) -> None:
    Journal(tmp_path, {}).add(*ANSWERS[2], 1.0)
    path = file_in(tmp_path)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second + broken + second.replace(b"memory of", b"times of"))
    assert list(Journal(tmp_path, {}).answers) == [str(ANSWERS[2][0])]


def test_a_file_that_is_no_text_is_begun_anew(tmp_path: Path) -> None:
    Journal(tmp_path, {}).add(*ANSWERS[2], 1.0)
    file_in(tmp_path).write_bytes(b"\xff" * 10)
    assert Journal(tmp_path, {}).answers == {}


def test_what_cannot_be_written_anew_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal(tmp_path, {}).add(*ANSWERS[-1], 1.0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(SettingError, match="cannot be written: No space"):
            Journal(tmp_path, {})
    assert len(Journal(tmp_path, {}).answers) == 1


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be written"):
        Journal(tmp_path / "nowhere", {})
