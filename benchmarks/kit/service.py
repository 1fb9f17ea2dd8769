"""``phiz serve`` as a process: start and stop, metrics, and the usage of its processes (Linux)."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.kit.requests import HOST, open_connection

NO_VARIABLES: Final[Mapping[str, str]] = {}
PROC: Final = Path("/proc")

Samples: TypeAlias = Mapping[tuple[str, frozenset[tuple[str, str]]], float]
"""Metrics by name and labels."""


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answers, its process the one that accepts connections."""

    process: int
    port: int

    def list_workers(self) -> list[int]:
        """Return the process ids of its workers."""
        return list_children(self.process)

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
    workers: int,
    variables: Mapping[str, str] = NO_VARIABLES,
    folder: Path | None = None,
    *,
    prefix: Sequence[str] = (),
    log: Path | None = None,
) -> Iterator[RunningService]:
    """Give a service of this Python, and stop it afterwards.

    Args:
        workers: Number of its worker processes.
        variables: Of its environment, beside those of this process.
        folder: Working directory.
        prefix: A command that replaces itself by the service.
        log: File of its log; None is the standard error of this process.

    Raises:
        RuntimeError: The service ended before it was ready.
    """
    command = [*prefix, sys.executable, "-m", "phiz", "serve", "--port", "0"]
    with (
        log.open("wb") if log else nullcontext() as errors,
        subprocess.Popen(  # noqa: S603  our own command
            [*command, "--workers", str(workers)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **variables},
            cwd=folder,
        ) as process,
    ):
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


def list_children(process: int) -> list[int]:
    """Return the process ids of the direct children of a process, in the order of their starts.

    Each thread lists its own in this order. The ids have another one once the largest was used.
    """
    tasks = (PROC / str(process) / "task").iterdir()
    return [
        int(child) for task in tasks for child in (task / "children").read_text("ascii").split()
    ]


def list_descendants(process: int) -> list[int]:
    """Return the process ids of all that a process has begun, and of what these have begun."""
    return [each for child in list_children(process) for each in (child, *list_descendants(child))]


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
