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
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import click

from benchmarks.endurance.mixture import Request, choose_request, encode_images
from benchmarks.endurance.record import Part, Soak
from benchmarks.endurance.users import SUCCESS, Users
from benchmarks.endurance.watch import Watch
from benchmarks.kit.options import json_option, picture_option, table_option
from benchmarks.kit.report import (
    VERDICTS,
    print_results,
    update_json,
)
from benchmarks.kit.requests import open_connection
from benchmarks.kit.service import (
    RunningService,
    measure_usage,
    start_service,
    sum_samples,
)
from phiz.lab.study.machine import describe_machine

PART_S: Final = 60.0
MIN_PARTS: Final = 12  # parts are shorter in a short run
CAPACITY_CLIENTS: Final = 8
CAPACITY_S: Final = 20.0
SETTLE_S: Final = 3.0  # until the service has noticed that clients left
KILLS: Final = 4
TITLE: Final = "Latency, memory and descriptors over the soak"
HEADINGS: Final = ("figure", "measured", "goal", "verdict")
ZERO_METRICS: Final = ("phiz_inflight_requests", "phiz_queue_depth")
"""Metrics that are 0 in the end."""


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


if __name__ == "__main__":
    main()
