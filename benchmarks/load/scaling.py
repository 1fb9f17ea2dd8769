r"""What a core answers, and what Ray Serve takes for itself: the figures of ``docs/scaling.md``.

::

    python -m benchmarks.load.scaling --data DIR \
        --json docs/measured/scaling.json --table docs/scaling.md

``DIR`` has folders with photographs in ``images/``: ``wider/``, groups and crowds, and ``lfpw/``,
one large face each. One core works, and the other is the clients'. It needs Linux, wrk, and phiz
with the extra ``ray``.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final

import click

from benchmarks.kit import cores
from benchmarks.kit.environments import PEERS
from benchmarks.kit.errors import LoadError
from benchmarks.kit.figures import print_results, update_figures
from benchmarks.kit.options import data_option, json_option, table_option
from benchmarks.kit.requests import encode_test_image
from benchmarks.load import capacity, closed
from benchmarks.load.closed import find_wrk
from benchmarks.load.contenders import Contender, make_phiz
from benchmarks.load.servers import start_server
from benchmarks.load.single import measure_excess_ms
from phiz import engine
from phiz.errors import PhizError
from phiz.image.limits import DecodingLimits
from phiz.models.catalog import get_default_folder

KINDS: Final = ("wider", "lfpw")
MODELS: Final = ("front", "back", "full", "mtcnn", "auto")
LIMITS: Final = DecodingLimits(20 << 20, 50_000_000)
CLIENTS: Final = 8
REQUESTS: Final = 300  # of one client
HAPROXY_SETTLE_S: Final = (
    6  # HAProxy closes its connections once more when it is told of the replica
)
RAY: Final[Mapping[str, str]] = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
RAY_HAPROXY: Final[Mapping[str, str]] = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
}
HEADINGS: Final = (
    *("server", "one client: ms beyond the total", "8 clients: answers/s"),
    *("median ms", "99th percentile ms"),
)


@dataclass(frozen=True, slots=True)
class ServerTimes:
    """What clients met at a server; medians of the rounds.

    Attributes:
        server: Which.
        excess_ms: What one client waits beyond ``timing_ms.total``.
        rate: Answers a second to 8 clients.
        p50_ms: Median time of such an answer.
        p99_ms: Of a hundred, one takes longer.
    """

    server: str
    excess_ms: float
    rate: float
    p50_ms: float
    p99_ms: float


@click.command()
@data_option
@click.option("--every", type=click.IntRange(1), default=4, show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--seconds", type=click.IntRange(1), default=4, show_default=True, help="A load's.")
@click.option("--only", type=click.Choice(("core", "ray")), help="A part.  [default: both]")
@json_option
@table_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    every: int,
    rounds: int,
    seconds: int,
    only: str | None,
    document: Path | None,
    page: Path | None,
) -> None:
    """Measure what a core answers, and what Ray Serve takes for itself."""
    if only != "ray":
        costs = measure_core(data, every, rounds)
        rows = [capacity.format_row(cost) for cost in costs]
        print_results(capacity.HEADINGS, rows, page, "core")
        update_figures(document, {"core": [asdict(cost) for cost in costs]})
    if only != "core":
        try:
            taken = measure_servers(rounds, seconds)
        except LoadError as error:
            raise click.ClickException(str(error)) from error
        print_results(HEADINGS, [format_row(each) for each in taken], page, "ray")
        update_figures(document, {"ray": [asdict(each) for each in taken]})


def measure_core(data: Path, every: int, rounds: int) -> list[capacity.Cost]:
    """Return what each kind of pictures costs with each model, on one core.

    Raises:
        ClickException: The models cannot be loaded.
    """
    cores.pin_to_core()
    try:
        loaded = engine.build_engine(get_default_folder(), "half-pixel", LIMITS)
    except PhizError as error:
        raise click.ClickException(str(error)) from error
    files = {kind: sorted((data / kind / "images").iterdir())[::every] for kind in KINDS}
    measure = partial(capacity.measure_costs, loaded, MODELS, rounds=rounds)
    return [cost for each in files.values() for cost in measure(each)]


def measure_servers(rounds: int, seconds: int) -> list[ServerTimes]:
    """Return what clients meet at the plain service and at Ray Serve, which take turns.

    Raises:
        LoadError: A server does not answer, or there are not two cores.
    """
    find_wrk()
    plain = make_phiz()
    command = (sys.executable, PEERS / "in_ray.py", "{port}")
    ray = partial(Contender, command=command, path=plain.path)
    contenders = (
        plain,
        ray("ray", "phiz in Ray Serve", environment=RAY),
        ray("ray-haproxy", "phiz in Ray Serve with HAProxy", environment={**RAY, **RAY_HAPROXY}),
    )
    met = [[_measure_round(each, seconds) for each in contenders] for _ in range(rounds)]
    return [_compute_medians(each) for each in zip(*met, strict=True)]


def _measure_round(contender: Contender, seconds: int) -> ServerTimes:
    where = cores.choose_cores()
    with start_server(contender, encode_test_image(), where.server) as server:
        time.sleep(HAPROXY_SETTLE_S)
        excess = measure_excess_ms(server, REQUESTS, where.load)
        found = closed.run_closed_loop(server, CLIENTS, seconds, where.load)
    return ServerTimes(contender.title, excess, found.rate, found.p50_ms, found.p99_ms)


def _compute_medians(rounds: Sequence[ServerTimes]) -> ServerTimes:
    names = ("excess_ms", "rate", "p50_ms", "p99_ms")
    medians = (median(getattr(each, name) for each in rounds) for name in names)
    return ServerTimes(rounds[0].server, *medians)


def format_row(taken: ServerTimes) -> list[str]:
    """Return a row of the table, below ``HEADINGS``."""
    return [
        taken.server,
        f"{taken.excess_ms:.2f}",
        f"{taken.rate:.0f}",
        f"{taken.p50_ms:.1f}",
        f"{taken.p99_ms:.1f}",
    ]


if __name__ == "__main__":
    main()
