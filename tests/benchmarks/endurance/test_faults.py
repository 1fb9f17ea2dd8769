import asyncio
import errno
from pathlib import Path

import pytest

from benchmarks.endurance import injections
from benchmarks.endurance.faults import Outcome, mount_disk, read_messages
from benchmarks.endurance.injections import (
    DISK,
    Setting,
    corrupt_file,
    fill_disk,
    list_faults,
    replace_by_folder,
)
from benchmarks.kit.service import RunningService

LOG = """\
2026-01-01T00:00:00.000+00:00 warning worker 0 (process 12) ended with status -9; restarting it
2026-01-01T00:00:00.100+00:00 warning worker 1 (process 13) ended with status -9; restarting it
  File "x.py", line 3
2026-01-01T00:00:00.200+00:00 info 127.0.0.1 - "POST /detect" 200
2026-01-01T00:00:01.000+00:00 error worker 1 cannot restart: {folder}/a.onnx | missing
"""


def outcome(normal_s: float, lost: int, exit_status: int | None = None) -> Outcome:
    return Outcome("a fault", {"200": 9, "lost": lost}, {"a | <b>": 2}, normal_s, lost, exit_status)


def test_messages_are_counted_without_what_varies(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(LOG.format(folder=tmp_path))
    assert read_messages(log) == {
        "warning worker N (process N) ended with status -9; restarting it": 2,
        "error worker N cannot restart: a.onnx | missing": 1,
    }


@pytest.mark.parametrize(
    ("normal_s", "lost", "is_harmless"), [(5.0, 0, True), (5.1, 0, False), (0.0, 1, False)]
)
def test_fault_is_harmless_if_soon_normal_and_nothing_lost(
    normal_s: float, lost: int, *, is_harmless: bool
) -> None:
    assert outcome(normal_s, lost).is_harmless is is_harmless


def test_row_says_how_the_service_ended_and_escapes_the_log() -> None:
    assert outcome(0.4, 0, 0).to_row() == [
        *("a fault", "200: 9, lost: 0", "a \\| &lt;b> (2)", "ended after 0.4 s, status 0", "0")
    ]


def test_model_files_are_spoilt(tmp_path: Path) -> None:
    file = tmp_path / "model"
    file.write_bytes(bytes(range(1, 251)))
    corrupt_file(file)
    assert len(file.read_bytes()) == 250
    assert bytes(100) in file.read_bytes()
    replace_by_folder(file)
    with pytest.raises(IsADirectoryError):
        file.read_bytes()


def test_faults_have_names_of_their_own(tmp_path: Path) -> None:
    names = [fault.name for fault in list_faults(tmp_path)]
    assert len(names) == len({*names}) > 15
    assert "client: send half of 2,100 heads, and then nothing" in names
    assert "client: send 200 bodies, a byte in half a second" in names


def test_disk_is_full_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injections, "LASTING_S", 0.5)
    disk = tmp_path / DISK
    with mount_disk(disk):
        if not disk.is_mount():  # not root, or not Linux
            assert "log on a full disk" not in [fault.name for fault in list_faults(tmp_path)]
            return
        log, fails = disk / "log", []

        async def write() -> None:
            await asyncio.sleep(0.2)
            try:
                log.write_bytes(b"x")
            except OSError as error:
                fails.append(error.errno)

        async def run() -> None:
            await asyncio.gather(fill_disk(Setting(RunningService(0, 0), tmp_path)), write())

        asyncio.run(run())
        assert fails == [errno.ENOSPC]
        log.write_bytes(b"x")
