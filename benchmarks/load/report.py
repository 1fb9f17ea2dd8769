"""The figures of the load benchmark as tables, and as a document."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.kit.charts import GREEN, GREY, Bar
from benchmarks.kit.cores import Cores
from benchmarks.kit.goals import Goal
from benchmarks.kit.report import (
    build_table,
    compute_medians,
    format_number,
    goals_to_document,
    round_figures,
)
from benchmarks.load.contenders import Contender
from benchmarks.load.goals import compute_overhead_ms
from benchmarks.load.rounds import CLIENT_COUNTS, CLIENTS, Round
from phiz.lab.study.machine import Machine

COMMAND = "make load"


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The figures of all rounds.

    ``disturbed`` is the share of the time, 0 to 1, that other processes had the servers' core while
    answers were made in process.
    """

    machine: Machine
    cores: Cores
    versions: Mapping[str, Mapping[str, str]]
    seconds: int
    disturbed: float
    contenders: Sequence[Contender]
    rounds: Sequence[Round]
    goals: Sequence[Goal]


@dataclass(frozen=True, slots=True)
class ServerRow:
    """The medians of one contender.

    ``overhead_ms`` is beyond the same detection in process; None where the detector is another.
    """

    title: str
    rate: float
    p50_ms: float
    p99_ms: float
    overhead_ms: float | None


def format_heading(report: LoadReport) -> str:
    """Return in one line the machine and how it was measured."""
    (server,), (load,) = report.cores.server, report.cores.load
    return (
        f"{report.machine.processor}, servers on core {server}, load on core {load}, medians of"
        f" {len(report.rounds)} rounds of {report.seconds} s, disturbed for"
        f" {100 * report.disturbed:.0f} % of the time"
    )


def build_rows(report: LoadReport) -> Iterator[ServerRow]:
    """Yield the medians of each contender."""
    for contender in report.contenders:
        name = contender.name
        medians = compute_medians([each.closed[name] for each in report.rounds])
        overhead = median(compute_overhead_ms(each, name) for each in report.rounds)
        overhead_ms = overhead if contender.has_same_detector else None
        yield ServerRow(contender.title, **asdict(medians), overhead_ms=overhead_ms)


def rows_to_bars(rows: Iterable[ServerRow]) -> Iterator[Bar]:
    """Yield a bar for each server, as long as its rate."""
    for row in rows:
        figure = f"{row.rate:.0f}/s, p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms"
        if row.overhead_ms is not None:
            figure += f", overhead {row.overhead_ms:.2f} ms"
        colour = GREEN if row.title.startswith("phiz") else GREY
        yield Bar(row.title, figure, colour, row.rate)


def build_peer_table(report: LoadReport) -> Table:
    """Return one row for each contender."""
    rows = []
    for row in build_rows(report):
        times = (f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}", format_number(row.overhead_ms))
        rows.append((row.title, f"{row.rate:.0f}", *times))
    numbers = ("requests/s", "p50 ms", "p99 ms", "overhead ms")
    return build_table(["server"], numbers, rows, f"{CLIENTS} clients, one core")


def build_batch_table(rounds: Sequence[Round]) -> Table:
    """Return one row for each number of clients."""
    ways = list(rounds[0].batching)
    rows = []
    for clients in CLIENT_COUNTS:
        met = [compute_medians([each.batching[way][clients] for each in rounds]) for way in ways]
        figures = (f for each in met for f in (f"{each.rate:.0f}", f"{each.p99_ms:.1f}"))
        rows.append([str(clients), *figures])
    numbers = [f"{way}: {name}" for way in ways for name in ("requests/s", "p99 ms")]
    return build_table(["clients"], numbers, rows, "single pictures and batches")


def to_document(report: LoadReport) -> dict[str, Any]:
    """Return all figures as JSON takes them."""
    document = {
        "command": COMMAND,
        "machine": asdict(report.machine),
        "cores": {name: sorted(cores) for name, cores in asdict(report.cores).items()},
        "versions": report.versions,
        "seconds": report.seconds,
        "clients": CLIENTS,
        "disturbed": report.disturbed,
        "goals": goals_to_document(report.goals),
        "servers": [asdict(row) for row in build_rows(report)],
        "rounds": [asdict(each) for each in report.rounds],
    }
    rounded: dict[str, Any] = round_figures(document)
    return rounded
