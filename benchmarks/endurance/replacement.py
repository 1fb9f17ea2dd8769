"""What it costs that a worker is killed under load, and how soon there is another.

::

    python -m benchmarks.endurance.replacement
    python -m benchmarks.endurance.replacement --kills 10 --clients 16 --json docs/replacement.json

Starts ``phiz serve`` from this environment, asks it without a pause, and ends one of its workers
again and again as the system does when memory is short (SIGKILL). Prints for each how long it
took until as many workers as before were ready, as ``/metrics`` shows it, and how many requests
were not answered with success meanwhile.

The exit status is 1 if that took longer than ``--within`` seconds, if more requests failed than
the one that the worker was at, if one was never answered, or if anything that is counted went
back.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import click

from benchmarks.endurance.instance import (
    TIMEOUT_S,
    Samples,
    find_decreased,
    kill_worker,
    read_samples,
    sum_samples,
)
from benchmarks.kit.figures import write_entry
from benchmarks.kit.options import json_option
from benchmarks.kit.requests import HOST, encode_raw, encode_test_image, read_answer
from benchmarks.kit.service import RunningService, start_service

POLL_INTERVAL_S: Final = 0.02  # between two looks at the metrics
PAUSE_S: Final = 1.0  # between a replacement and the next kill
MAX_FAILURES: Final = 1  # what a worker is at; what it was given ahead is done by another


@dataclass(frozen=True, slots=True)
class Kill:
    """What one kill led to.

    Attributes:
        ready_s: From the signal until as many workers were ready as before.
        failed: Answers other than success from there to the next kill, by status.
        back: What was counted and has become less.
    """

    ready_s: float
    failed: dict[str, int]
    back: list[str]


@dataclass(slots=True)
class RunningClients:
    """Clients that each ask again as soon as they are answered.

    Attributes:
        message: That they send.
        statuses: Of all answers; ``lost`` of those that never came.
        ending: Whether they stop.
    """

    message: bytes
    statuses: Counter[str] = field(default_factory=Counter)
    ending: bool = False

    async def send_requests(self, port: int) -> None:
        """Ask until it ends."""
        reader, writer = await asyncio.open_connection(HOST, port)
        while not self.ending:
            writer.write(self.message)
            try:
                status, _ = await asyncio.wait_for(read_answer(reader), TIMEOUT_S)
            except (OSError, EOFError, TimeoutError):
                self.statuses["lost"] += 1
                reader, writer = await asyncio.open_connection(HOST, port)
            else:
                self.statuses[str(status)] += 1
        writer.close()

    def count_failed(self) -> Counter[str]:
        """Return the answers other than success so far."""
        return Counter({status: n for status, n in self.statuses.items() if status != "200"})


@click.command()
@click.option("--kills", type=click.IntRange(1), default=5, show_default=True)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True)
@click.option("--clients", type=click.IntRange(1), default=8, show_default=True)
@click.option("--model", default="front", show_default=True)
@click.option("--within", type=float, default=2.0, show_default=True, help="Seconds.")
@json_option
def main(  # noqa: PLR0913 (one for each option)
    *, kills: int, workers: int, clients: int, model: str, within: float, document: Path | None
) -> None:
    """Kill workers under load, and watch what becomes of the requests."""
    request = encode_raw(f"/detect?model={model}", encode_test_image())
    with start_service(workers) as instance:
        load = RunningClients(request.to_message(instance.port))
        results = asyncio.run(_kill_all(instance, load, workers, clients, kills))
    seconds = [kill.ready_s for kill in results]
    answered = load.statuses["200"]
    click.echo(
        f"{answered} answered; ready again after {median(seconds):.2f} s (median), at most"
        f" {max(seconds):.2f}; failed: {json.dumps(dict(load.count_failed()))}"
    )
    entry = {
        "workers": workers,
        "clients": clients,
        "model": model,
        "answered": answered,
        "kills": [asdict(kill) for kill in results],
    }
    write_entry(document, "replacement", entry)
    if any(has_failed(kill, within) for kill in results):
        sys.exit(1)


def has_failed(kill: Kill, within_s: float) -> bool:
    """Return whether a kill cost more requests or time than it may."""
    failures = sum(kill.failed.values())
    late = kill.ready_s > within_s
    return late or failures > MAX_FAILURES or "lost" in kill.failed or bool(kill.back)


async def _kill_all(
    instance: RunningService, load: RunningClients, workers: int, clients: int, kills: int
) -> list[Kill]:
    """Return what each kill led to."""
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(load.send_requests(instance.port))
        await asyncio.sleep(PAUSE_S)
        results = []
        for _ in range(kills):
            results.append(await _kill_one(instance, load, workers))
            click.echo(f"ready after {results[-1].ready_s:.2f} s, failed {results[-1].failed}")
        load.ending = True
    return results


async def _kill_one(instance: RunningService, load: RunningClients, workers: int) -> Kill:
    """Kill a worker, and return what that led to."""
    failed = load.count_failed()
    before = await asyncio.to_thread(read_samples, instance)
    replaced = sum_samples(before, "phiz_workers_replaced_total")
    back: set[str] = set()
    started_s = time.perf_counter()
    kill_worker(instance, instance.list_workers()[0])
    while True:
        now = await asyncio.to_thread(read_samples, instance)
        elapsed_s = time.perf_counter() - started_s
        back.update(find_decreased(before, now))
        before = now
        if _is_ready(now, replaced, workers):
            break
        assert elapsed_s < TIMEOUT_S, "there is no other worker"
        await asyncio.sleep(POLL_INTERVAL_S)
    await asyncio.sleep(PAUSE_S)
    return Kill(elapsed_s, dict(load.count_failed() - failed), sorted(back))


def _is_ready(samples: Samples, replaced: float, workers: int) -> bool:
    again = sum_samples(samples, "phiz_workers_replaced_total") > replaced
    return again and sum_samples(samples, "phiz_workers") == workers


if __name__ == "__main__":
    main()
