import os
import subprocess
import sys

import pytest

from phiz.lab.commands.progress import show_progress, track_items
from phiz.lab.study.plan import StudyTask

FRONT = StudyTask("quality", "front")


@pytest.mark.parametrize(
    ("left_s", "left"), [(89.0, "about 89 s"), (90.0, "about 2 min"), (600.0, "about 10 min")]
)
def test_study_without_terminal_has_a_line_for_each_task(
    left_s: float, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with show_progress(3) as show:
        show(FRONT, 1, left_s)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"2 of 3: {FRONT}; {left} left\n")


@pytest.mark.parametrize("total", [None, 3])
def test_tracked_items_are_all_yielded_in_order(
    total: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(track_items(iter("abc"), "letters", total)) == ["a", "b", "c"]
    assert "letters" not in capsys.readouterr().out


PROGRAM = """
from phiz.lab.commands.progress import show_progress
from phiz.lab.study.plan import StudyTask
with show_progress(3) as show:
    show(StudyTask("quality", "front"), 1, 200.0)
"""


def test_study_on_terminal_has_a_bar_and_the_time_left() -> None:
    master, slave = os.openpty()
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=slave) as process:
        os.close(slave)
        seen = b""
        try:
            while part := os.read(master, 4096):
                seen += part
        except OSError:  # the end, as Linux tells it
            pass
    os.close(master)
    assert process.returncode == 0
    text = seen.decode()
    assert "1/3" in text
    assert "about 3 min left" in text
