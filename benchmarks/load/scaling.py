r"""Images a second of a core, and the overhead of Ray Serve: the figures of ``docs/scaling.md``.

::

    python -m benchmarks.load.scaling --data DIR \
        --json docs/measured/scaling.json --table docs/scaling.md

``DIR`` has folders with photographs in ``images/``: ``wider/``, groups and crowds, and ``lfpw/``,
one large face each. One core works, and the other is the clients'. It needs Linux, and phiz with
the extra ``ray``.
"""

import itertools
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import click

from benchmarks.kit import cores
from benchmarks.kit.environments import PEERS
from benchmarks.kit.options import MODELS, data_option, json_option, models_option, table_option
from benchmarks.kit.report import compute_medians, print_results, update_json
from benchmarks.kit.requests import encode_test_image
from benchmarks.load.closed import (
    ClosedLoopResult,
    measure_excess_ms,
    run_closed_loop,
)
from benchmarks.load.contenders import Contender, make_phiz
from benchmarks.load.servers import start_server
from phiz.engine import build_engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.lab.study.machine import describe_machine
from phiz.worker import answer_detection

KINDS: Final = ("wider", "lfpw")
LIMITS: Final = DecodingLimits(20 << 20, 50_000_000)
CLIENTS: Final = 8
REQUESTS: Final = 300  # of one client
HAPROXY_SETTLE_S: Final = 6  # it closes its connections once more when it learns of the replica
RAY: Final[Mapping[str, str]] = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
RAY_HAPROXY: Final[Mapping[str, str]] = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
}
CORE_HEADINGS: Final = (
    *("pictures", "model", "ms of a core", "pictures/s and core"),
    *("core hours, a million", "cores, a billion a day"),
)
SERVER_HEADINGS: Final = (
    *("server", "one client: ms beyond the total", "8 clients: answers/s"),
    *("median ms", "99th percentile ms"),
)


@dataclass(frozen=True, slots=True)
class Cost:
    """Mean processor time of images from their bytes to the bytes of their answers."""

    kind: str
    model: str
    pictures: int
    core_s: float

    def to_row(self) -> list[str]:
        """Return a row of the table, below ``CORE_HEADINGS``."""
        return [
            f"`{self.kind}`",
            f"`{self.model}`",
            f"{1000 * self.core_s:.1f}",
            f"{1 / self.core_s:.0f}",
            f"{self.core_s * 1e6 / 3600:.2f}",
            f"{self.core_s * 1e9 / 86_400:,.0f}",
        ]


@dataclass(frozen=True, slots=True)
class ServerTimes(ClosedLoopResult):
    """Times of 8 clients at a server, and of one client beyond ``timing_ms.total``."""

    server: str
    excess_ms: float

    def to_row(self) -> list[str]:
        """Return a row of the table, below ``SERVER_HEADINGS``."""
        excess, rate = f"{self.excess_ms:.2f}", f"{self.rate:.0f}"
        return [self.server, excess, rate, f"{self.p50_ms:.1f}", f"{self.p99_ms:.1f}"]


@click.command()
@data_option
@models_option
@click.option("--every", type=click.IntRange(1), default=4, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=4, show_default=True, help="A load's.")
@click.option("--only", type=click.Choice(("core", "ray")), help="A part.  [default: both]")
@json_option
@table_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    models: Path,
    every: int,
    rounds: int,
    seconds: int,
    only: str | None,
    document: Path | None,
    page: Path | None,
) -> None:
    """Measure the time of a core per image, and the overhead of Ray Serve."""
    figures: dict[str, list[dict[str, Any]]] = {}
    if only != "ray":
        with cores.pin_to(cores.choose_cores().server):
            costs = measure_core(data, models, every, rounds)
        print_results(CORE_HEADINGS, [cost.to_row() for cost in costs], page, "core")
        figures["core"] = [asdict(cost) for cost in costs]
    if only != "core":
        times = measure_servers(rounds, seconds)
        print_results(SERVER_HEADINGS, [each.to_row() for each in times], page, "ray")
        figures["ray"] = [asdict(each) for each in times]
    update_json(document, {**figures, "machine": asdict(describe_machine())})


def measure_core(data: Path, models: Path, every: int, rounds: int) -> list[Cost]:
    """Return the costs of each kind of images with each model, as the median of the rounds.

    Models take turns in each round, so that they meet the same noise. A first round does not count.
    """
    loaded = build_engine(models, "half-pixel", LIMITS)
    costs = []
    for kind in KINDS:
        files = sorted((data / kind / "images").iterdir())[::every]
        images = [file.read_bytes() for file in files]
        seconds: dict[str, list[float]] = {model: [] for model in MODELS}
        for _, model in itertools.product(range(rounds + 1), MODELS):
            started = time.process_time()
            for image_bytes in images:
                now = time.perf_counter()
                answer_detection(loaded, image_bytes, now, model, DetectOptions())
            seconds[model].append((time.process_time() - started) / len(images))
        costs += [Cost(kind, model, len(images), median(seconds[model][1:])) for model in MODELS]
    return costs


def measure_servers(rounds: int, seconds: int) -> list[ServerTimes]:
    """Return the times of clients at the plain service and at Ray Serve, which take turns.

    Raises:
        BenchmarkError: A server does not answer, or there are not two cores.
    """
    plain = make_phiz()
    command = (sys.executable, PEERS / "in_ray.py", "{port}")
    ray = partial(Contender, command=command, path=plain.path)
    contenders = (
        plain,
        ray("ray", "phiz in Ray Serve", environment=RAY),
        ray("ray-haproxy", "phiz in Ray Serve with HAProxy", environment={**RAY, **RAY_HAPROXY}),
    )
    times = [[_measure_round(each, seconds) for each in contenders] for _ in range(rounds)]
    return [compute_medians(each) for each in zip(*times, strict=True)]


def _measure_round(contender: Contender, seconds: int) -> ServerTimes:
    where = cores.choose_cores()
    with start_server(contender, encode_test_image(), where.server) as server:
        time.sleep(HAPROXY_SETTLE_S)
        excess = measure_excess_ms(server, REQUESTS, where.load)
        found = run_closed_loop(server, CLIENTS, seconds, where.load)
    return ServerTimes(**asdict(found), server=contender.title, excess_ms=excess)


if __name__ == "__main__":
    main()
