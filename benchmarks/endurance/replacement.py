"""Failed requests and downtime when a worker is killed under load.

::

    python -m benchmarks.endurance.replacement
    python -m benchmarks.endurance.replacement --kills 10 --clients 16 --json docs/replacement.json

Starts ``phiz serve`` from this environment, sends requests without a pause, and kills one of its
workers again and again as the system does when memory is short (SIGKILL). Prints for each the
time until as many workers as before were ready, as ``/metrics`` shows it, and the number of
requests that failed meanwhile.

The exit status is 1 if that took longer than ``--within`` seconds, if more requests failed than
the one that the worker was at, if one was never answered, or if a counter decreased.
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

from benchmarks.kit.options import json_option
from benchmarks.kit.report import write_entry
from benchmarks.kit.requests import HOST, TIMEOUT_S, encode_raw, encode_test_image, read_answer
from benchmarks.kit.service import RunningService, find_decreased, start_service, sum_samples

POLL_INTERVAL_S: Final = 0.02  # between two looks at the metrics
PAUSE_S: Final = 1.0  # between a replacement and the next kill
MAX_FAILURES: Final = 1  # the request of the worker; another worker answers its queued ones


@dataclass(frozen=True, slots=True)
class Kill:
    """The effects of one kill, until the next.

    ``ready_s`` is the time until as many workers were ready as before. ``failed`` has the answers
    other than success by status, and ``back`` the names of the counters that decreased.
    """

    ready_s: float
    failed: dict[str, int]
    back: list[str]


@dataclass(slots=True)
class RunningClients:
    """Clients that each send again as soon as they are answered, until ``ending``."""

    message: bytes
    statuses: Counter[str] = field(default_factory=Counter)
    ending: bool = False

    async def send_requests(self, port: int) -> None:
        """Send requests until ``ending``."""
        reader, writer = await asyncio.open_connection(HOST, port)
        while not self.ending:
            writer.write(self.message)
            try:
                status, _, _ = await asyncio.wait_for(read_answer(reader), TIMEOUT_S)
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
    """Kill workers under load, and count the requests that fail."""
    request = encode_raw(f"/detect?model={model}", encode_test_image())
    with start_service(workers) as service:
        load = RunningClients(request.to_message(service.port))
        results = asyncio.run(_kill_all(service, load, workers, clients, kills))
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
    sys.exit(any(has_failed(kill, within) for kill in results))


def has_failed(kill: Kill, within_s: float) -> bool:
    """Return whether a kill cost more requests or time than it may."""
    failures = sum(kill.failed.values())
    late = kill.ready_s > within_s
    return late or failures > MAX_FAILURES or "lost" in kill.failed or bool(kill.back)


async def _kill_all(
    service: RunningService, load: RunningClients, workers: int, clients: int, kills: int
) -> list[Kill]:
    """Return the effects of each kill."""
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(load.send_requests(service.port))
        await asyncio.sleep(PAUSE_S)
        results = []
        for _ in range(kills):
            results.append(await _kill_one(service, load, workers))
            click.echo(f"ready after {results[-1].ready_s:.2f} s, failed {results[-1].failed}")
        load.ending = True
    return results


async def _kill_one(service: RunningService, load: RunningClients, workers: int) -> Kill:
    """Kill a worker, and return the effects."""
    failed = load.count_failed()
    now = await asyncio.to_thread(service.read_samples)
    replaced = sum_samples(now, "phiz_workers_replaced_total")
    back: set[str] = set()
    started_s = time.perf_counter()
    service.kill_worker()
    while (
        sum_samples(now, "phiz_workers_replaced_total") <= replaced
        or sum_samples(now, "phiz_workers") != workers
    ):
        await asyncio.sleep(POLL_INTERVAL_S)
        before, now = now, await asyncio.to_thread(service.read_samples)
        elapsed_s = time.perf_counter() - started_s
        back.update(find_decreased(before, now))
        assert elapsed_s < TIMEOUT_S, "there is no other worker"
    await asyncio.sleep(PAUSE_S)
    return Kill(elapsed_s, dict(load.count_failed() - failed), sorted(back))


if __name__ == "__main__":
    main()
