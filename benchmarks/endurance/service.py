"""Whether the service's resources stay constant: many requests of all kinds, some of them bad.

::

    python -m benchmarks.endurance.service
    python -m benchmarks.endurance.service --requests 20000 --workers 2 --clients 16 --json FILE

Starts ``phiz serve`` from this environment and sends it the random requests of ``mixture``: all
models and options, several formats and sizes, forms, raw bodies, chunked bodies, batches. One
request in a hundred is malformed, and one is cut off somewhere. Prints memory, open files and
threads of its processes after each part. A hundred thousand take about half an hour on two cores.
Fewer than some thousands show nothing about memory: until then it grows to what the largest
images need.

The exit status is 1 if there is a problem: a request has a status that its kind cannot have, the
anonymous memory of the service or of a worker grows by more than ``--growth`` percent over the
last half (twice that since the first tenth), a file or a thread is left over, a worker had to be
replaced, or a request is unfinished in the end.
"""

import asyncio
import contextlib
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

import click

from benchmarks.endurance.mixture import Request, choose_request, encode_images
from benchmarks.kit.options import json_option
from benchmarks.kit.report import write_entry
from benchmarks.kit.requests import HOST, TIMEOUT_S, read_answer
from benchmarks.kit.service import (
    ProcessUsage,
    RunningService,
    measure_usage,
    start_service,
    sum_samples,
)
from phiz.workers.reader import IDLE_TIMEOUT_S

PARTS: Final = 20  # lines of the report
SETTLE_S: Final = 2 * IDLE_TIMEOUT_S  # until cut-off requests are noticed, and workers tidy up
EARLY_GROWTH_FACTOR: Final = 2  # times as much growth is allowed since an early part
EARLY_PART: Final = 1
ZERO_METRICS: Final = ("phiz_workers_replaced_total", "phiz_inflight_requests", "phiz_queue_depth")
"""Metrics that are 0 in the end."""

Usage: TypeAlias = Mapping[str, ProcessUsage]
"""The usage of each process: ``service``, ``worker 0`` and so on."""


@dataclass(frozen=True, slots=True)
class Endurance:
    """The usage after each part of the requests, and the number of answers by status.

    ``left`` has the metrics in the end that should be 0.
    """

    requests: int
    seconds: float
    samples: Sequence[Usage]
    statuses: Mapping[str, int]
    left: Mapping[str, float]

    @property
    def half_part(self) -> int:
        """The part at whose end half of the requests were done."""
        return len(self.samples) // 2 - 1

    def compute_growth(self, since: int) -> dict[str, float]:
        """Return the growth of each process's memory since the end of a part, percent."""
        before, after = self.samples[since], self.samples[-1]
        return {
            name: round(100 * (usage.memory_mb / before[name].memory_mb - 1), 2)
            for name, usage in after.items()
            if name in before
        }

    def list_problems(self, growth: float) -> list[str]:
        """Return all problems, in words.

        Args:
            growth: Percent by which memory may grow over the last half.
        """
        half, last = self.samples[self.half_part], self.samples[-1]
        late, early = self.compute_growth(self.half_part), self.compute_growth(EARLY_PART)
        return [
            *(f"status {status}" for status in self.statuses if "unexpected" in status),
            *_describe_growth(late, growth, "in the last half"),
            *_describe_growth(early, EARLY_GROWTH_FACTOR * growth, "since the first tenth"),
            *_describe_leftovers(half, last),
            *(f"{name} is {value:g}" for name, value in self.left.items() if value),
        ]


@click.command()
@click.option("--requests", type=click.IntRange(100), default=100_000, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=8, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--longest", type=click.IntRange(64), default=480, show_default=True, help="Pixels.")
@click.option("--growth", type=float, default=5.0, show_default=True, help="Percent allowed.")
@json_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    requests: int,
    clients: int,
    workers: int,
    longest: int,
    growth: float,
    document: Path | None,
) -> None:
    """Send requests of all kinds to the service, and watch its processes."""
    chance = random.Random(0)  # noqa: S311 (the same requests in every run)
    images = encode_images(chance, longest)
    todo = (choose_request(chance, images) for _ in range(requests))
    with start_service(workers) as service:
        seen = asyncio.run(send_all(service, todo, requests, clients))
    problems = seen.list_problems(growth)
    growths = {
        "half": seen.compute_growth(seen.half_part),
        "first_tenth": seen.compute_growth(EARLY_PART),
    }
    click.echo(
        f"{requests} requests in {seen.seconds:.0f} s; {dict(sorted(seen.statuses.items()))}"
    )
    click.echo(f"memory, percent: last half {growths['half']}")
    click.echo(f"since the first tenth {growths['first_tenth']}")
    click.echo("; ".join(problems) or "no problems")
    entry = {**asdict(seen), "problems": problems, "growth_percent": growths}
    write_entry(document, "endurance", entry)
    sys.exit(bool(problems))


async def send_all(
    service: RunningService, todo: Iterator[Request], requests: int, clients: int
) -> Endurance:
    """Return the figures of so many clients that send requests."""
    samples: list[Usage] = []
    statuses: Counter[str] = Counter()
    started_s = time.perf_counter()
    for part in range(PARTS):
        done = (part + 1) * requests // PARTS
        share = iter([next(todo) for _ in range(done - part * requests // PARTS)])
        await asyncio.gather(
            *(send_requests(share, service.port, statuses) for _ in range(clients))
        )
        await asyncio.sleep(SETTLE_S)
        samples.append(measure_processes(service))
        print_sample(done, samples[-1], time.perf_counter() - started_s)
    metrics = await asyncio.to_thread(service.read_samples)
    left = {name: sum_samples(metrics, name) for name in ZERO_METRICS}
    return Endurance(requests, time.perf_counter() - started_s, samples, dict(statuses), left)


async def send_requests(todo: Iterator[Request], port: int, statuses: Counter[str]) -> None:
    """Send one request after the other over a connection, a new one where it was ended."""
    reader, writer = await asyncio.open_connection(HOST, port)
    for request in todo:
        if request.sent_bytes is not None:
            writer.write(request.message[: request.sent_bytes])
            statuses["cut off"] += 1
            keeps = False
        else:
            writer.write(request.message)
            status, keeps = await asyncio.wait_for(read_answer(reader), TIMEOUT_S)
            expected = status in request.allowed
            statuses[str(status) if expected else f"{status} unexpected"] += 1
        if not keeps:
            await close_connection(writer)
            reader, writer = await asyncio.open_connection(HOST, port)
    await close_connection(writer)


async def close_connection(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever the other end has done with it."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def measure_processes(service: RunningService) -> Usage:
    """Return the usage of all processes of a service now."""
    workers = {f"worker {place}": pid for place, pid in enumerate(service.list_workers())}
    return {
        name: measure_usage(pid) for name, pid in {"service": service.process, **workers}.items()
    }


def print_sample(done: int, sample: Usage, seconds: float) -> None:
    """Print a line of the report."""
    memory = "  ".join(f"{name} {usage.memory_mb:6.1f} MB" for name, usage in sample.items())
    files, threads = count_open(sample, "files"), count_open(sample, "threads")
    click.echo(f"{done:8} requests {seconds:6.0f} s  {memory}  {files:4} files {threads:4} threads")


def count_open(sample: Usage, what: Literal["files", "threads"]) -> int:
    """Return the number of open files or of threads of all processes."""
    return sum(getattr(usage, what) for usage in sample.values())


def _describe_growth(growths: Mapping[str, float], limit: float, when: str) -> Iterator[str]:
    for name, percent in growths.items():
        if percent > limit:
            yield f"the memory of {name} grew by {percent:g} % {when}"


def _describe_leftovers(before: Usage, after: Usage) -> Iterator[str]:
    for what in ("files", "threads"):
        left = count_open(after, what) - count_open(before, what)
        if left > 0:
            yield f"{left} {what} are left over"


if __name__ == "__main__":
    main()
