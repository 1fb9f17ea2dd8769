"""Whether the service stays as it is: many requests of all kinds, some malformed, some cut off.

::

    python -m benchmarks.endurance.service
    python -m benchmarks.endurance.service --requests 20000 --workers 2 --clients 16 --json FILE

Starts ``phiz serve`` from this environment and asks it for what ``mixture`` draws by chance: all
models and options, several formats and sizes, forms, plain bodies, bodies in pieces, batches; one
request in a hundred is malformed, and one is cut off somewhere. Prints memory, open files and
threads of its processes as it goes. A hundred thousand take about half an hour on two cores.
Fewer than some thousands tell nothing of memory: until then it grows to what the largest pictures
need.

The exit status is 1 if anything in ``problems`` is: a request is answered with a status that its
kind cannot have, the anonymous memory of the service or of a worker grows by more than
``--growth`` percent over the last half (twice that since the first tenth), a file or a thread is
left over, a worker had to be replaced, or something is still under way in the end.
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
from typing import Final

import click

from benchmarks.endurance.instance import (
    TIMEOUT_S,
    ProcessUsage,
    measure_usage,
    read_samples,
    sum_samples,
)
from benchmarks.endurance.mixture import Request, choose_request, encode_images
from benchmarks.kit.figures import write_entry
from benchmarks.kit.options import json_option
from benchmarks.kit.requests import HOST, read_answer
from benchmarks.kit.service import RunningService, start_service
from phiz.workers.loop import IDLE_TIMEOUT_S

REPORT_LINES: Final = 20  # lines of the report
SETTLE_S: Final = (
    2 * IDLE_TIMEOUT_S
)  # for what was cut off to be noticed, and for workers to tidy up
EARLY_GROWTH_FACTOR: Final = 2  # times as much may be had from the first parts on
EARLY_PART: Final = 1  # the part from whose end on that counts, from 0
ZERO_METRICS: Final = ("phiz_workers_replaced_total", "phiz_inflight_requests", "phiz_queue_depth")
"""Metrics that are 0 in the end."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What all processes hold after a part of the requests.

    Attributes:
        service: The one that accepts connections.
        workers: By their place.
    """

    service: ProcessUsage
    workers: Sequence[ProcessUsage]

    @property
    def by_process(self) -> Mapping[str, ProcessUsage]:
        """All of them by name."""
        workers = {f"worker {place}": held for place, held in enumerate(self.workers)}
        return {"service": self.service, **workers}

    @property
    def count_open(self) -> tuple[int, int]:
        """Files and threads of all together."""
        everybody = self.by_process.values()
        return sum(held.files for held in everybody), sum(held.threads for held in everybody)


@dataclass(frozen=True, slots=True)
class Endurance:
    """What was seen.

    Attributes:
        requests: How many.
        seconds: That they took.
        samples: After each part of them.
        statuses: How often each answer came.
        left: What the metrics show in the end that should be 0.
    """

    requests: int
    seconds: float
    samples: Sequence[Sample]
    statuses: Mapping[str, int]
    left: Mapping[str, float]

    def compute_growth(self, since: int) -> dict[str, float]:
        """Return by how many percent the memory of each process grew since the end of a part."""
        before, after = self.samples[since].by_process, self.samples[-1].by_process
        return {
            name: round(100 * (held.memory_mb / before[name].memory_mb - 1), 2)
            for name, held in after.items()
            if name in before
        }

    @property
    def half_part(self) -> int:
        """The part at whose end half of the requests were done."""
        return len(self.samples) // 2 - 1

    def list_problems(self, growth: float) -> list[str]:
        """Return what is not as it should be, in words.

        Args:
            growth: Percent that is allowed to the memory over the last half.
        """
        return [
            *(f"status {status}" for status in self.statuses if "unexpected" in status),
            *_describe_growth(self.compute_growth(self.half_part), growth, "in the last half"),
            *_describe_growth(
                self.compute_growth(EARLY_PART),
                EARLY_GROWTH_FACTOR * growth,
                "since the first tenth",
            ),
            *_describe_leftovers(
                self.samples[self.half_part].count_open, self.samples[-1].count_open
            ),
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
    """Ask the service for many things, and watch it."""
    chance = random.Random(0)  # noqa: S311 (the same requests in every run)
    images = encode_images(chance, longest)
    todo = (choose_request(chance, images) for _ in range(requests))
    with start_service(workers) as instance:
        seen = asyncio.run(send_all(instance, todo, requests, clients))
    problems = seen.list_problems(growth)
    click.echo(
        f"{requests} requests in {seen.seconds:.0f} s; {dict(sorted(seen.statuses.items()))}"
    )
    click.echo(f"memory, percent: last half {seen.compute_growth(seen.half_part)}")
    click.echo(f"since the first tenth {seen.compute_growth(EARLY_PART)}")
    click.echo("; ".join(problems) or "all as it should be")
    growths = {
        "half": seen.compute_growth(seen.half_part),
        "first_tenth": seen.compute_growth(EARLY_PART),
    }
    entry = {**asdict(seen), "problems": problems, "growth_percent": growths}
    write_entry(document, "endurance", entry)
    if problems:
        sys.exit(1)


async def send_all(
    instance: RunningService, todo: Iterator[Request], requests: int, clients: int
) -> Endurance:
    """Return what was seen while so many clients asked."""
    samples: list[Sample] = []
    statuses: Counter[str] = Counter()
    started_s = time.perf_counter()
    for part in range(REPORT_LINES):
        done = (part + 1) * requests // REPORT_LINES
        share = iter([next(todo) for _ in range(done - part * requests // REPORT_LINES)])
        await asyncio.gather(
            *(send_requests(share, instance.port, statuses) for _ in range(clients))
        )
        await asyncio.sleep(SETTLE_S)
        samples.append(take_sample(instance))
        print_sample(done, samples[-1], time.perf_counter() - started_s)
    shown = await asyncio.to_thread(read_samples, instance)
    left = {name: sum_samples(shown, name) for name in ZERO_METRICS}
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


def take_sample(instance: RunningService) -> Sample:
    """Return what the processes of a service hold now."""
    workers = [measure_usage(worker) for worker in instance.list_workers()]
    return Sample(measure_usage(instance.process), workers)


def print_sample(done: int, sample: Sample, seconds: float) -> None:
    """Print a line of the report."""
    files, threads = sample.count_open
    workers = " ".join(f"{held.memory_mb:6.1f}" for held in sample.workers)
    click.echo(
        f"{done:8} requests {seconds:6.0f} s  service {sample.service.memory_mb:6.1f} MB"
        f"  workers {workers} MB {files:4} files {threads:4} threads"
    )


def _describe_growth(growths: Mapping[str, float], limit: float, when: str) -> Iterator[str]:
    for name, percent in growths.items():
        if percent > limit:
            yield f"the memory of {name} grew by {percent:g} % {when}"


def _describe_leftovers(before: tuple[int, int], after: tuple[int, int]) -> Iterator[str]:
    for what, earlier, later in zip(("files", "threads"), before, after, strict=True):
        if later > earlier:
            yield f"{later - earlier} {what} are left over"


if __name__ == "__main__":
    main()
