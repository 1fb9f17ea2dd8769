import errno
from dataclasses import replace
from math import inf, nan
from pathlib import Path

import pytest

from phiz.errors import SettingError
from phiz.lab.study.checkpoint import Checkpoint, TaskResult
from phiz.lab.study.plan import Combination, StudyTask
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.timing import RunTimes
from tests.lab.study.made import FLOAT32, quality

COMBINATION = Combination("front", FLOAT32, 1, 1)
ANSWERS: list[tuple[StudyTask, TaskResult]] = [
    (StudyTask("times", "front", 0, (COMBINATION,)), {str(COMBINATION): RunTimes((100, 110), 0.5)}),
    (StudyTask("pace", "front"), {str(FLOAT32): [0.0011, 0.0012]}),
    (StudyTask("quality", "front"), [quality("front", FLOAT32, 0.5, excess={"front": 0.25})]),
    (StudyTask("memory", "front", 0, (COMBINATION,)), 123),
    (StudyTask("quality", "back"), [VariantQuality("back", FLOAT32, {"back": "float32"}, 0, 1.0)]),
]


def file_in(folder: Path) -> Path:
    """The only one there."""
    (path,) = folder.iterdir()
    return path


def test_finished_tasks_are_resumed(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, {"machine": 1})
    for task, answer in ANSWERS:
        checkpoint.add(task, answer, 2.5)
    again = Checkpoint(tmp_path, {"machine": 1})
    assert again.results == checkpoint.results == {str(task): answer for task, answer in ANSWERS}
    assert set(again.seconds.values()) == {2.5}


def test_numbers_without_end_are_resumed(tmp_path: Path) -> None:
    odd = replace(quality("front", FLOAT32, nan), excess={"front": inf})
    Checkpoint(tmp_path, {}).add(ANSWERS[2][0], [odd], 1.0)
    (found,) = Checkpoint(tmp_path, {}).results.values()
    assert repr(found) == repr([odd])


def test_stolen_share_is_of_all_tasks(tmp_path: Path) -> None:
    first, second, third, *_ = ANSWERS
    checkpoint = Checkpoint(tmp_path, {})
    assert checkpoint.stolen is None
    checkpoint.add(*first, 9.0, 1.0)
    checkpoint.add(*second, 1.0, 0.5)
    assert Checkpoint(tmp_path, {}).stolen == checkpoint.stolen == 0.15
    checkpoint.add(*third, 1.0)
    assert checkpoint.stolen is None


def test_resumed_study_keeps_its_beginning(tmp_path: Path) -> None:
    begun = Checkpoint(tmp_path, {}).begun
    path = file_in(tmp_path)
    path.write_text(path.read_text().replace(begun, "2026-01-01T00:00:00+00:00"))
    assert Checkpoint(tmp_path, {}).begun == "2026-01-01T00:00:00+00:00"
    assert Checkpoint(tmp_path, {}, fresh=True).begun >= begun


def test_each_study_has_its_own_file(tmp_path: Path) -> None:
    first = Checkpoint(tmp_path, {"machine": 1})
    first.add(*ANSWERS[3], 1.0)
    other = Checkpoint(tmp_path, {"machine": 2})
    assert other.results == {}
    other.remove()
    assert Checkpoint(tmp_path, {"machine": 1}).results == first.results
    first.remove()
    assert list(tmp_path.iterdir()) == []


def test_fresh_study_forgets_results(tmp_path: Path) -> None:
    Checkpoint(tmp_path, {}).add(*ANSWERS[3], 1.0)
    assert Checkpoint(tmp_path, {}, fresh=True).results == {}
    assert Checkpoint(tmp_path, {}).results == {}


@pytest.mark.parametrize("first", ["", "null", "[]", '{"subject": {"machine": 2}, "begun": "x"}'])
def test_file_of_another_study_is_begun_anew(tmp_path: Path, first: str) -> None:
    Checkpoint(tmp_path, {"machine": 1}).add(*ANSWERS[3], 1.0)
    path = file_in(tmp_path)
    _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first, *rest, ""]))
    assert Checkpoint(tmp_path, {"machine": 1}).results == {}


def test_half_written_line_is_dropped(tmp_path: Path) -> None:
    Checkpoint(tmp_path, {}).add(*ANSWERS[3], 1.0)
    path = file_in(tmp_path)
    path.write_text(path.read_text() + '{"lot": "times of fr')
    checkpoint = Checkpoint(tmp_path, {})
    assert list(checkpoint.results) == [str(ANSWERS[3][0])]
    checkpoint.add(*ANSWERS[1], 1.0)
    assert len(Checkpoint(tmp_path, {}).results) == 2


@pytest.mark.parametrize(
    "broken", [b"\xff\xfe\n", b'"\xff"\n', b"{}\n", b"[]\n", b'{"seconds": 1, "answer": 2}\n']
)
def test_lines_after_a_broken_one_are_dropped(tmp_path: Path, broken: bytes) -> None:
    Checkpoint(tmp_path, {}).add(*ANSWERS[2], 1.0)
    path = file_in(tmp_path)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + second + broken + second.replace(b"memory of", b"times of"))
    assert list(Checkpoint(tmp_path, {}).results) == [str(ANSWERS[2][0])]


def test_binary_file_is_begun_anew(tmp_path: Path) -> None:
    Checkpoint(tmp_path, {}).add(*ANSWERS[2], 1.0)
    file_in(tmp_path).write_bytes(b"\xff" * 10)
    assert Checkpoint(tmp_path, {}).results == {}


def test_file_survives_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Checkpoint(tmp_path, {}).add(*ANSWERS[3], 1.0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        with pytest.raises(SettingError, match="cannot be written: No space"):
            Checkpoint(tmp_path, {})
    assert len(Checkpoint(tmp_path, {}).results) == 1


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be written"):
        Checkpoint(tmp_path / "nowhere", {})
