r"""Whether the service stays as it is: an hour of requests of all kinds, and faults among them.

::

    python -m benchmarks.endurance.soak --minutes 2
    python -m benchmarks.endurance.soak --json docs/measured/soak.json --picture docs/soak.svg \
        --table docs/reliability.md

Starts ``phiz serve`` from this environment, measures how many of the random requests of
``mixture`` it answers in a second, and then sends them at a constant rate of 70 % of that. Some are
malformed, some clients leave, some images cost far more than their bytes, and a worker is killed
four times. Prints latencies and memory after each part, and writes all figures so far.

The exit status is 1 if a goal is missed: the memory of a process grows by more than 5 % from the
first half of its life to the second, the 99th percentile of latencies by more than 20 %, a request
has an answer that the documentation does not list, or a request or a descriptor is left over.
"""

import asyncio
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import click

from benchmarks.endurance.mixture import Request, choose_request, encode_images
from benchmarks.endurance.users import LEFT, SUCCESS, UNEXPECTED, Users
from benchmarks.endurance.watch import Watch
from benchmarks.kit.charts import Panel, draw_panels
from benchmarks.kit.goals import Goal
from benchmarks.kit.options import json_option, picture_option, table_option
from benchmarks.kit.report import (
    VERDICTS,
    goals_to_document,
    print_results,
    round_figures,
    update_json,
)
from benchmarks.kit.requests import open_connection
from benchmarks.kit.service import (
    ProcessUsage,
    RunningService,
    measure_usage,
    start_service,
    sum_samples,
)
from phiz.lab.study.machine import Machine, describe_machine

PART_S: Final = 60.0
MIN_PARTS: Final = 12  # parts are shorter in a short run
MIN_LIFE_PARTS: Final = 4  # a process that lived less has no halves to compare
CAPACITY_CLIENTS: Final = 8
CAPACITY_S: Final = 20.0
SETTLE_S: Final = 3.0  # until the service has noticed that clients left
KILLS: Final = 4
MAX_GROWTH: Final = 1.05
MAX_DRIFT: Final = 1.2
TITLE: Final = "Latency, memory and descriptors over the soak"
HEADINGS: Final = ("figure", "measured", "goal", "verdict")
ZERO_METRICS: Final = ("phiz_inflight_requests", "phiz_queue_depth")
"""Metrics that are 0 in the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """Answers and latencies of a part of the time, and the median usage of each process.

    ``ended_s`` is since the beginning of the load. Latencies are of answers with status 200.
    """

    ended_s: float
    answers: Mapping[str, int]
    p50_ms: float
    p99_ms: float
    usage: Mapping[str, ProcessUsage]


@dataclass(slots=True)
class Soak:
    """The figures so far.

    ``capacity`` and ``rate`` are requests a second, ``killed_s`` the times when a worker was
    killed, and ``left`` the metrics in the end that should be 0.
    """

    machine: Machine
    documented: Sequence[str]
    capacity: float
    rate: float
    parts: list[Part] = field(default_factory=list)
    killed_s: list[float] = field(default_factory=list)
    left: dict[str, float] = field(default_factory=dict)

    def count_answers(self) -> Counter[str]:
        """Return the number of requests by answer."""
        return sum((Counter(part.answers) for part in self.parts), Counter())

    def build_goals(self) -> Iterator[Goal]:
        """Yield the figures that are judged."""
        yield Goal(
            "p99, second half to first",
            compare_halves([part.p99_ms for part in self.parts]),
            limit=MAX_DRIFT,
            measure="ratio",
        )
        for name, usages in self.list_lives().items():
            growth = compare_halves([usage.memory_mb for usage in usages])
            what = f"memory of {name}, likewise"
            yield Goal(what, growth, limit=MAX_GROWTH, measure="ratio")
        unexpected = sum(
            count
            for answer, count in self.count_answers().items()
            if answer.endswith(UNEXPECTED) or answer.split()[0] not in {*self.documented, LEFT}
        )
        yield Goal("requests with an undocumented answer", unexpected, limit=0)
        for name, value in self.left.items():
            yield Goal(name, value, limit=0)

    def list_lives(self) -> dict[str, list[ProcessUsage]]:
        """Return the usage of each process in each part, without that in which it started."""
        names = dict.fromkeys(name for part in self.parts for name in part.usage)
        lives = {
            name: [part.usage[name] for part in self.parts if name in part.usage][1:]
            for name in names
        }
        return {name: usages for name, usages in lives.items() if len(usages) >= MIN_LIFE_PARTS}

    def draw(self) -> str:
        """Return the figures as SVG."""
        series: dict[str, dict[str, list[tuple[float, float]]]] = {
            "latency p50, ms": {},
            "latency p99, ms": {},
            "memory, MB": {},
            "open descriptors": {},
        }
        p50, p99, memory, files = series.values()
        for part in self.parts:
            minute = part.ended_s / 60
            p50.setdefault("", []).append((minute, part.p50_ms))
            p99.setdefault("", []).append((minute, part.p99_ms))
            for name, usage in part.usage.items():
                memory.setdefault(name, []).append((minute, usage.memory_mb))
                files.setdefault(name, []).append((minute, usage.files))
        title = (
            f"{self.rate:.0f} requests/s for {self.parts[-1].ended_s / 60:.0f} minutes, "
            f"{self.rate / self.capacity:.0%} of capacity; a worker was killed at each line"
        )
        kills = [seconds / 60 for seconds in self.killed_s]
        return draw_panels(title, [Panel(*each) for each in series.items()], kills)

    def to_document(self) -> dict[str, Any]:
        """Return the figures as JSON takes them."""
        figures = round_figures(asdict(self))
        totals = {"answers": self.count_answers(), "goals": goals_to_document(self.build_goals())}
        return {**figures, **round_figures(totals)}


@click.command()
@click.option("--minutes", type=click.FloatRange(1), default=60, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--share", type=float, default=0.7, show_default=True, help="Of the capacity.")
@click.option("--longest", type=click.IntRange(64), default=480, show_default=True, help="Pixels.")
@json_option
@picture_option
@table_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    minutes: float,
    workers: int,
    share: float,
    longest: int,
    document: Path | None,
    picture: Path | None,
    page: Path | None,
) -> None:
    """Send requests of all kinds to the service for an hour, and watch its processes."""
    chance = random.Random(0)  # noqa: S311 (the same requests in every run)
    images = encode_images(chance, longest)
    requests = iter(lambda: choose_request(chance, images), None)

    def write_figures(soak: Soak) -> None:
        update_json(document, {"soak": soak.to_document()})
        if picture:
            picture.write_text(soak.draw())

    with start_service(workers) as service:
        users = Users(service.port)
        soak = asyncio.run(run_soak(service, users, requests, share, minutes, write_figures))
    goals = [*soak.build_goals()]
    rows = [
        (goal.what, goal.format_figure(), goal.format_limit(), VERDICTS[goal.is_reached])
        for goal in goals
    ]
    drawn = f"![{TITLE}]({os.path.relpath(picture, page.parent)})\n\n" if picture and page else ""
    print_results(HEADINGS, rows, page, "soak", drawn)
    click.echo(json.dumps(soak.count_answers()))
    sys.exit(any(goal.is_reached is False for goal in goals))


async def run_soak(  # noqa: PLR0913, PLR0917 (a run has as many settings)
    service: RunningService,
    users: Users,
    requests: Iterator[Request],
    share: float,
    minutes: float,
    write_figures: Callable[[Soak], None],
) -> Soak:
    """Return the figures of so many minutes at a share of the capacity."""
    documented = await asyncio.to_thread(list_documented_statuses, service.port)
    before = count_files(service)
    started_s = time.perf_counter()
    await users.send_in_turns(requests, CAPACITY_CLIENTS, started_s + CAPACITY_S)
    answered = users.take_answers().counts[SUCCESS]
    capacity = answered / (time.perf_counter() - started_s)
    soak = Soak(describe_machine(), documented, capacity, share * capacity)
    click.echo(f"{capacity:.0f} requests/s with {CAPACITY_CLIENTS} clients; {soak.rate:.0f} now")
    watch = Watch(service)
    background = [
        asyncio.create_task(watch.take_samples()),
        asyncio.create_task(kill_workers(service, soak, 60 * minutes)),
    ]
    load = asyncio.create_task(users.send_at_rate(requests, soak.rate, 60 * minutes))
    started_s = time.perf_counter()
    parts = max(MIN_PARTS, round(60 * minutes / PART_S))
    for part in range(parts):
        until_s = started_s + 60 * minutes * (part + 1) / parts
        # The last part has the last answers too.
        timeout_s = until_s - time.perf_counter() if part < parts - 1 else None
        await asyncio.wait([load], timeout=timeout_s)
        soak.parts.append(finish_part(users, watch, time.perf_counter() - started_s))
        write_figures(soak)
    await load
    for task in background:
        task.cancel()
    users.close()
    await asyncio.sleep(SETTLE_S)
    metrics = await asyncio.to_thread(service.read_samples)
    soak.left.update({name: sum_samples(metrics, name) for name in ZERO_METRICS})
    soak.left["descriptors left over"] = count_files(service) - before
    write_figures(soak)
    return soak


def finish_part(users: Users, watch: Watch, seconds: float) -> Part:
    """Return the figures since the last part, and print them."""
    answers, usage = users.take_answers(), watch.take_usage()
    p50, p99 = (answers.compute_percentile(percent) for percent in (50, 99))
    memory = "  ".join(f"{name} {each.memory_mb:.1f} MB" for name, each in usage.items())
    click.echo(f"{seconds:6.0f} s  p50 {p50:6.1f}  p99 {p99:7.1f} ms  {memory}  {answers.counts}")
    return Part(seconds, answers.counts, p50, p99, usage)


async def kill_workers(service: RunningService, soak: Soak, seconds: float) -> None:
    """Kill the youngest worker from time to time, so that another one lives to the end."""
    started_s = time.perf_counter()
    for _ in range(KILLS):
        await asyncio.sleep(seconds / (KILLS + 1))
        os.kill(service.list_workers()[-1], signal.SIGKILL)
        soak.killed_s.append(time.perf_counter() - started_s)


def count_files(service: RunningService) -> int:
    """Return the number of descriptors that the service and its workers have open."""
    processes = (service.process, *service.list_workers())
    return sum(measure_usage(process).files for process in processes)


def list_documented_statuses(port: int) -> list[str]:
    """Return the statuses that ``/openapi.json`` lists for images."""
    with closing(open_connection(port)) as connection:
        connection.request("GET", "/openapi.json")
        paths = json.loads(connection.getresponse().read())["paths"]
    return sorted(
        {*paths["/detect"]["post"]["responses"], *paths["/detect/batch"]["post"]["responses"]}
    )


def compare_halves(values: Sequence[float]) -> float:
    """Return the median of the second half to that of the first, without the middle value."""
    half = len(values) // 2
    return median(values[-half:]) / median(values[:half]) if half else float("nan")


if __name__ == "__main__":
    main()
