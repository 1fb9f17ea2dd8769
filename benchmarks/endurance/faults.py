r"""What users notice of faults, and how long until the service is normal again.

::

    python -m benchmarks.endurance.faults --table docs/reliability.md
    python -m benchmarks.endurance.faults --only hang --only clock

Each fault of ``injections`` meets a service of its own with two workers, while four users send 20
requests a second. Some faults need Linux, root, ``prlimit`` or ``libfaketime``; those that this
machine cannot have are left out. All takes about five minutes.

A user's request is normal if it has status 200 and takes at most ten times the 99th percentile of
before. The time until normal is from the end of the cause to the last request that is not. The exit
status is 1 if it is longer than 5 seconds, or if a connection was closed without an answer.
"""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from textwrap import shorten
from typing import Final

import click

from benchmarks.endurance.injections import CGROUP, DISK, MEMORY_BYTES, Fault, Setting, list_faults
from benchmarks.endurance.users import LOST, MALFORMED, NEVER, Users, encode_user_request
from benchmarks.kit.options import json_option, table_option
from benchmarks.kit.report import print_results, round_figures, write_entry
from benchmarks.kit.requests import HOST
from benchmarks.kit.service import RunningService, start_service
from phiz.models.catalog import get_default_folder

WORKERS: Final = 2
RATE: Final = 20.0
CALM_S, QUIET_S, MAX_WAIT_S = 2.0, 2.0, 40.0
PATIENCE_S: Final = 12.0
SLOW_FACTOR: Final = 10
NORMAL_S: Final = 5.0
MAX_MESSAGES, MAX_CHARS = 2, 110
DISK_BYTES: Final = 1 << 20
LOST_ANSWERS: Final = (LOST, NEVER, MALFORMED)
HEADINGS: Final = ("fault", "users are answered", "the log says", "normal after", "lost")
TIME: Final = re.compile(r"^\d{4}-\S+ (?=warning|error)")
VARYING: Final = re.compile(r"(?<=process )\d+|(?<=worker )\d+|(?<=port )\d+")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a fault did.

    ``normal_s`` is the time until normal, or until the service ended with ``exit_status``. ``lost``
    is the number of requests whose connection was closed without an answer.
    """

    fault: str
    answers: Mapping[str, int]
    log: Mapping[str, int]
    normal_s: float
    lost: int
    exit_status: int | None

    @property
    def is_harmless(self) -> bool:
        """Whether both goals are reached."""
        return self.normal_s <= NORMAL_S and not self.lost

    def to_row(self) -> list[str]:
        """Return the row of the table."""
        answers = ", ".join(f"{answer}: {count}" for answer, count in self.answers.items())
        lines = [f"{shorten(message, MAX_CHARS)} ({count})" for message, count in self.log.items()]
        if len(lines) > MAX_MESSAGES:
            lines[MAX_MESSAGES:] = [f"{len(lines) - MAX_MESSAGES} other messages"]
        normal = f"{self.normal_s:.1f} s"
        if self.exit_status is not None:
            normal = f"ended after {normal}, status {self.exit_status}"
        cells = (self.fault, answers, "; ".join(lines) or "nothing", normal, str(self.lost))
        return [cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells]


@click.command()
@click.option("--only", "wanted", multiple=True, help="Part of the name of a fault.")
@click.option("--models", type=click.Path(path_type=Path), default=get_default_folder)
@json_option
@table_option
def main(*, wanted: Sequence[str], models: Path, document: Path | None, page: Path | None) -> None:
    """Bring faults about under load, and report what users notice."""
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="phiz-faults-") as name, prepare_cgroup():
        folder = Path(name)
        shutil.copytree(models, folder / "models")
        with mount_disk(folder / DISK):
            for fault in list_faults(folder):
                if not wanted or any(part in fault.name for part in wanted):
                    outcomes.append(asyncio.run(measure_fault(fault, folder)))
                    click.echo(" | ".join(outcomes[-1].to_row()))
    write_entry(document, "faults", round_figures({"faults": [*map(asdict, outcomes)]}))
    print_results(HEADINGS, [outcome.to_row() for outcome in outcomes], page, "faults")
    sys.exit(not all(outcome.is_harmless for outcome in outcomes))


async def measure_fault(fault: Fault, folder: Path) -> Outcome:
    """Return what a fault did to a service of its own."""
    (folder / "clock").write_text("+0\n")
    log = fault.log or folder / "log"
    with start_service(WORKERS, fault.variables, prefix=fault.prefix, log=log) as service:
        users = Users(service.port, [HOST], PATIENCE_S, **fault.users)
        requests = repeat(encode_user_request(service.port))
        await users.send_at_rate(requests, RATE, CALM_S)  # a warm-up
        users.take_answers()
        load = asyncio.create_task(users.send_at_rate(requests, RATE, CALM_S + MAX_WAIT_S))
        await asyncio.sleep(CALM_S)
        limit_ms = SLOW_FACTOR * users.answers.compute_percentile(99)
        started_s = time.perf_counter()
        await fault.inject(Setting(service, folder))
        over_s = started_s if fault.ends else time.perf_counter()
        status = await wait_until_ended(service) if fault.ends else None
        ended_s = time.perf_counter()
        while not fault.ends and time.perf_counter() - over_s < MAX_WAIT_S:
            await asyncio.sleep(QUIET_S)
            last_s = users.answers.find_last_bad(limit_ms)
            oldest_s = min(users.pending, default=time.perf_counter())
            if time.perf_counter() - max(last_s, over_s) >= QUIET_S and (
                1000 * (time.perf_counter() - oldest_s) < limit_ms
            ):
                break
        users.ending = True
        await load
        users.close()
        last_s = ended_s if fault.ends else users.answers.find_last_bad(limit_ms)
        end_at_once(service)
    counts = users.answers.counts | ({"repeated": users.repeated} if users.repeated else {})
    return Outcome(
        fault.name,
        counts,
        read_messages(log) if log.is_file() else {},
        max(0.0, last_s - over_s),
        sum(counts.get(answer, 0) for answer in LOST_ANSWERS),
        status,
    )


async def wait_until_ended(service: RunningService) -> int:
    """Wait until a service has ended, and return its exit status."""
    while True:
        state, *fields = read_state(service.process)
        if state == "Z":
            return int(fields[-1]) >> 8
        await asyncio.sleep(0.05)


def read_state(process: int) -> list[str]:
    """Return the fields of a process from its state on."""
    return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()


def end_at_once(service: RunningService) -> None:
    """Kill a service and its workers, which may be stopped."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for process in (*service.list_workers(), service.process):
            os.kill(process, signal.SIGKILL)


def read_messages(log: Path) -> dict[str, int]:
    """Return the different warnings and errors of a log and how often it has each.

    Numbers of processes, workers and ports are left out.
    """
    lines = log.read_text("utf-8", "replace").splitlines()
    messages = (
        TIME.sub("", line).replace(f"{log.parent}/", "") for line in lines if TIME.match(line)
    )
    return dict(Counter(VARYING.sub("N", message) for message in messages))


@contextmanager
def mount_disk(folder: Path) -> Iterator[None]:
    """Mount a small disk in memory, where that is possible."""
    folder.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder))
    try:
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603  our own command
    except (OSError, subprocess.CalledProcessError):
        yield
        return
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S603, S607  as above


@contextmanager
def prepare_cgroup() -> Iterator[None]:
    """Make a control group with a memory limit, where that is possible."""
    try:
        CGROUP.mkdir()
        (CGROUP / "memory.limit_in_bytes").write_text(str(MEMORY_BYTES))
    except OSError:
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # a process of it may not have ended yet
            CGROUP.rmdir()


if __name__ == "__main__":
    main()
