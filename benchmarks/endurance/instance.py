"""Metrics of a running service, and what its processes hold (Linux)."""

import os
import signal
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.kit.requests import open_connection
from benchmarks.kit.service import RunningService

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


def read_samples(service: RunningService) -> Samples:
    """Return the metrics of a service."""
    with closing(open_connection(service.port, TIMEOUT_S)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def kill_worker(service: RunningService, worker: int) -> None:
    """End a worker as the system does if memory is short."""
    assert worker in service.list_workers(), "no other process is ended"
    os.kill(worker, signal.SIGKILL)


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
    lines = (folder / "status").read_text("utf-8", "replace").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith("RssAnon:"))
    return ProcessUsage(
        int(kilobytes) * 1024 / 1e6,
        len(list((folder / "fd").iterdir())),
        len(list((folder / "task").iterdir())),
    )
