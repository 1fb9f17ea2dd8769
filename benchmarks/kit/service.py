"""``phiz serve`` as a process: start and stop, metrics, and the usage of its processes (Linux)."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.kit.requests import HOST, open_connection

NO_VARIABLES: Final[Mapping[str, str]] = {}
PROC: Final = Path("/proc")
COUNTER_SUFFIXES: Final = ("_total", "_count", "_sum", "_bucket")
# A worker's own time begins anew with its process, as a counter may.
PROCESS_PREFIX: Final = "phiz_worker_cpu"

Samples: TypeAlias = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Metrics by name and labels."""


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answers, its process the one that accepts connections."""

    process: int
    port: int

    def list_workers(self) -> list[int]:
        """Return the process ids of its workers."""
        tasks = (PROC / str(self.process) / "task").iterdir()
        return sorted(
            int(child) for task in tasks for child in (task / "children").read_text("ascii").split()
        )

    def kill_worker(self) -> None:
        """Kill a worker as the system does if memory is short."""
        os.kill(self.list_workers()[0], signal.SIGKILL)

    def read_samples(self) -> Samples:
        """Return its metrics."""
        with closing(open_connection(self.port)) as connection:
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """Anonymous resident memory, MB (10^6 bytes), open files and threads of a process."""

    memory_mb: float
    files: int
    threads: int


@contextmanager
def start_service(
    workers: int, variables: Mapping[str, str] = NO_VARIABLES, folder: Path | None = None
) -> Iterator[RunningService]:
    """Give a service of this Python, and stop it afterwards.

    Raises:
        RuntimeError: The service ended before it was ready.
    """
    command = [sys.executable, "-m", "phiz", "serve", "--port", "0", "--workers", str(workers)]
    with subprocess.Popen(  # noqa: S603  our own command
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}, cwd=folder
    ) as process:
        try:
            assert process.stdout is not None, "it is a pipe"
            _, found, port = process.stdout.readline().partition(f"http://{HOST}:")
            if not found:
                raise RuntimeError("phiz serve ended before it was ready; see its output above")
            yield RunningService(process.pid, int(port.split()[0]))
        finally:
            process.terminate()


def sum_samples(samples: Samples, name: str) -> float:
    """Return the sum of a metric over all its labels."""
    return sum(value for (other, _), value in samples.items() if other == name)


def find_decreased(before: Samples, now: Samples) -> list[str]:
    """Return the names of counters that have decreased or disappeared."""
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
    """Return the usage of a process."""
    folder = PROC / str(process)
    lines = (folder / "status").read_text("utf-8", "replace").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return ProcessUsage(
        int(kilobytes) * 1024 / 1e6,
        len(list((folder / "fd").iterdir())),
        len(list((folder / "task").iterdir())),
    )
