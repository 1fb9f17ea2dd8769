r"""Whether the service does as much work under three times its capacity as at its capacity.

::

    python -m benchmarks.endurance.overload
    python -m benchmarks.endurance.overload --json docs/measured/overload.json \
        --table docs/reliability.md

The service has one worker and a core, and the load another core. Eight clients that each send again
as soon as they are answered give the capacity. Then requests come at three times that rate. Work is
compared by processor time, because other programs of the machine take turns on the core: answers
per second of processor time of service and worker. In each round both follow one another, and the
median of the rounds counts.

The exit status is 1 if the service answers less than 0.9 of its capacity, or if the 99th percentile
of the times of refusals is more than 20 ms.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import repeat
from pathlib import Path
from statistics import median
from typing import Final

import click

from benchmarks.endurance.mixture import ANY, Request
from benchmarks.endurance.users import Users
from benchmarks.kit.cores import Cores, choose_cores, pin_to
from benchmarks.kit.goals import Goal
from benchmarks.kit.options import json_option, table_option
from benchmarks.kit.report import VERDICTS, goals_to_document, print_results, write_entry
from benchmarks.kit.requests import encode_raw, encode_test_image
from benchmarks.kit.service import RunningService, start_service
from benchmarks.load.opened import OpenLoopResult, run_open_loop
from benchmarks.load.servers import Server
from phiz.system.procfs import read_processor_seconds

CLIENTS: Final = 8
FACTOR: Final = 3.0
DEADLINE_S: Final = 0.5
MIN_SHARE, MAX_REFUSAL_MS = 0.9, 20.0
REQUEST: Final = encode_raw("/detect?model=front", encode_test_image())
HEADINGS: Final = ("figure", "measured", "goal", "verdict")


@dataclass(frozen=True, slots=True)
class Round:
    """Capacity and overload, each as answers per second of processor time and of the clock."""

    capacity: float
    capacity_rate: float
    answered: float
    overload: OpenLoopResult


@click.command()
@click.option("--rounds", "count", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=click.FloatRange(1), default=6, show_default=True)
@json_option
@table_option
def main(*, count: int, seconds: float, document: Path | None, page: Path | None) -> None:
    """Load the service with three times its capacity."""
    cores = choose_cores()
    with ExitStack() as ends:
        with pin_to(cores.server):
            hurry = {"PHIZ_DEADLINE": str(DEADLINE_S)}
            service = ends.enter_context(start_service(1, hurry))
        with pin_to(cores.load):
            rounds = [measure_round(service, seconds, cores) for _ in range(count)]
    goals = [*build_goals(rounds)]
    rows = [
        (goal.what, goal.format_figure(), goal.format_limit(), VERDICTS[goal.is_reached])
        for goal in goals
    ]
    figures = {"rounds": [*map(asdict, rounds)], "goals": goals_to_document(goals)}
    write_entry(document, "overload", figures)
    print_results(HEADINGS, rows, page, "overload")
    sys.exit(any(goal.is_reached is False for goal in goals))


def measure_round(service: RunningService, seconds: float, cores: Cores) -> Round:
    """Return capacity and overload, one right after the other."""
    meter = Meter(service)
    message = REQUEST.to_message(service.port)
    users = Users(service.port)
    until_s = time.perf_counter() + seconds
    asyncio.run(users.send_in_turns(repeat(Request(message, None, ANY)), CLIENTS, until_s))
    capacity = meter.compute_rate()
    rate = len(users.answers.requests["200"]) / seconds
    meter = Meter(service)
    server = Server(service.port, REQUEST, {})
    overload = run_open_loop(server, FACTOR * rate, seconds, cores.load)
    return Round(capacity, rate, meter.compute_rate(), overload)


class Meter:
    """Answers and processor time of a service from now on."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._answers, self._seconds = self._read()

    def compute_rate(self) -> float:
        """Return the answers per second of processor time."""
        answers, seconds = self._read()
        return (answers - self._answers) / (seconds - self._seconds)

    def _read(self) -> tuple[float, float]:
        samples = self._service.read_samples()
        answers = sum(
            value
            for (name, labels), value in samples.items()
            if name == "phiz_pictures_total" and ("outcome", "ok") in labels
        )
        processes = (self._service.process, *self._service.list_workers())
        return answers, sum(read_processor_seconds(process) or 0.0 for process in processes)


def build_goals(rounds: Sequence[Round]) -> Iterator[Goal]:
    """Yield the figures that are judged, and others."""
    shares = [each.answered / each.capacity for each in rounds]
    yield Goal(
        "answers for processor time, to those at capacity", median(shares), "≥", MIN_SHARE, shares
    )
    refusals = [each.overload.refusal_p99_ms for each in rounds]
    yield Goal("99th percentile of refusals, ms", median(refusals), "≤", MAX_REFUSAL_MS, refusals)
    expired = [each.overload.expired for each in rounds]
    yield Goal("admitted and not answered in time", max(expired), "≤", 0, expired)
    yield Goal("capacity, requests/s", median(each.capacity_rate for each in rounds))
    yield Goal("offered, requests/s", median(each.overload.offered for each in rounds))
    yield Goal("answered, requests/s", median(each.overload.rate for each in rounds))


if __name__ == "__main__":
    main()
