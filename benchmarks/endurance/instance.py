"""A service that is started to be watched: its metrics, and what its processes hold (Linux)."""

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

HOST: Final = "127.0.0.1"
TIMEOUT_S: Final = 30
COUNTER_SUFFIXES: Final = ("_total", "_count", "_sum", "_bucket")
# A worker's own time begins anew with its process, as a counter may.
PROCESS_PREFIX: Final = "phiz_worker_cpu"

Samples: TypeAlias = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Metrics by name and labels."""


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """What a process holds.

    Attributes:
        memory_mb: Anonymous and resident, MB (10^6 bytes): without what files could give again.
        files: Open.
        threads: All of them.
    """

    memory_mb: float
    files: int
    threads: int


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answers.

    Attributes:
        process: That accepts connections.
        port: Of the loopback address.
    """

    process: int
    port: int

    def read_samples(self) -> Samples:
        """Return what its metrics show."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        finally:
            connection.close()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def list_workers(self) -> list[int]:
        """Return the processes of its workers."""
        tasks = (Path("/proc") / str(self.process) / "task").iterdir()
        return sorted(
            int(child) for task in tasks for child in _read_text(task / "children").split()
        )

    def kill_worker(self, worker: int) -> None:
        """End a worker as the system does if memory is short."""
        assert worker in self.list_workers(), "no other process is ended"
        os.kill(worker, signal.SIGKILL)


@contextmanager
def start_service(workers: int) -> Iterator[RunningService]:
    """Give a service of this environment, and end it afterwards."""
    command = [sys.executable, "-m", "phiz", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None, "it is a pipe"
            words = process.stdout.readline().split()
            yield RunningService(process.pid, int(words[3].rpartition(":")[2]))
        finally:
            process.terminate()


def sum_samples(samples: Samples, name: str) -> float:
    """Return the sum of a metric over all its labels."""
    return sum(value for (other, _), value in samples.items() if other == name)


def find_decreased(before: Samples, now: Samples) -> list[str]:
    """Return the names of what is counted and has become less, or is there no more."""
    return sorted(
        {
            name
            for (name, labels), value in before.items()
            if name.endswith(COUNTER_SUFFIXES)
            and not name.startswith(PROCESS_PREFIX)
            and now.get((name, labels), -1.0) < value
        }
    )


def measure_usage(process: int) -> ProcessUsage:
    """Return what a process holds."""
    folder = Path("/proc") / str(process)
    lines = _read_text(folder / "status").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return ProcessUsage(
        int(kilobytes) * 1024 / 1e6,
        len(list((folder / "fd").iterdir())),
        len(list((folder / "task").iterdir())),
    )


def _read_text(path: Path) -> str:
    return path.read_text("utf-8", "replace")
