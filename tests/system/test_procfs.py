import os
import subprocess
import sys
from pathlib import Path

import pytest

from phiz.system import procfs
from phiz.system.procfs import read_process_state, read_processor_seconds, read_resident_bytes

STAT = "7 ({name}) T 1 7 7 0 -1 4194560 100 0 0 0 250 50 900 900 20 0 1 0 5 6 7\n"


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of process 7."""
    monkeypatch.setattr(procfs, "PROC_ROOT", tmp_path)
    (tmp_path / "7").mkdir()
    return tmp_path / "7"


@pytest.mark.parametrize("name", ["python", "a b", "a) S 1 (b", ""])
def test_state_is_read_behind_any_name(proc: Path, name: str) -> None:
    (proc / "stat").write_text(STAT.format(name=name))
    assert read_process_state(7) == "T"


@pytest.mark.parametrize("told", [0.2] if sys.platform == "linux" else [])
def test_processor_time_is_that_of_all_threads_and_of_the_kernel(told: float) -> None:
    program = (
        "import os, threading, time\n"
        "def work():\n"
        f"    while time.process_time() < {told}: os.getppid()\n"
        "threading.Thread(target=work).start(); work()\n"
        "print(time.process_time(), flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        own_s = float(process.stdout.readline())
        seconds = read_processor_seconds(process.pid)
        process.communicate(b"\n")
    assert own_s <= (seconds or 0) < own_s + 0.1


def test_memory_is_what_is_resident(proc: Path) -> None:
    (proc / "statm").write_text("9000 1234 300 1 0 2000 0\n")
    assert read_resident_bytes(7) == 1234 * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.usefixtures("proc")
def test_figures_that_the_system_lacks_are_none() -> None:
    for process in (7, 8):
        assert read_resident_bytes(process) is None
        assert read_process_state(process) == ""


def test_a_process_that_has_ended_is_not_known() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    assert read_resident_bytes(ended.pid) is None
    assert read_processor_seconds(ended.pid) is None


def test_figures_of_this_process_are_read() -> None:
    told = sys.platform == "linux"
    assert ((read_resident_bytes(os.getpid()) or 0) > 1 << 20) == told
    assert (read_processor_seconds(os.getpid()) is not None) == told


def test_the_peak_is_what_was_there_at_once() -> None:
    program = (
        "from phiz.system.procfs import read_peak_bytes as peak_bytes; before = peak_bytes();"
        " block = b'1' * 100_000_000; del block; print(peak_bytes() - before)"
    )
    # The peak of this process is far higher, and is not what it begins with.
    held = b"1" * 300_000_000
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert len(held) == 300_000_000
    assert 90_000_000 < int(ran.stdout) < 110_000_000
