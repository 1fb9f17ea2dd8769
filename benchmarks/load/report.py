"""The figures of the load benchmark as tables, and as a document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.kit.machine import Machine
from benchmarks.load.closed import ClosedLoopResult
from benchmarks.load.contenders import Contender
from benchmarks.load.cores import Cores
from benchmarks.load.goals import Goal, compute_overhead_ms
from benchmarks.load.rounds import CLIENT_COUNTS, CLIENTS, Round

COMMAND = "make load"
DECIMALS = 4
VERDICTS = {True: "reached", False: "MISSED"}


@dataclass(frozen=True, slots=True)
class LoadReport:
    """All that was measured.

    Attributes:
        machine: Where.
        cores: Who ran on which.
        versions: Of packages and tools, by who uses them.
        seconds: Of each load.
        disturbed: The share of the time, 0 to 1, that others had the servers' core while
            answers were made in process.
        contenders: In the order in which they are shown.
        rounds: What each gave.
        goals: What is made of them.
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
    """What one contender did: medians of the rounds.

    Attributes:
        title: Of the contender.
        rate: Answers a second.
        p50_ms: Median time of an answer.
        p99_ms: Of a hundred answers, one takes longer.
        overhead_ms: Beyond the same detection in process; None where the detector is another.
    """

    title: str
    rate: float
    p50_ms: float
    p99_ms: float
    overhead_ms: float | None


def format_heading(report: LoadReport) -> str:
    """Return in one line where it was measured."""
    (server,), (load,) = report.cores.server, report.cores.load
    return (
        f"{report.machine.processor}, servers on core {server}, load on core {load}, medians of"
        f" {len(report.rounds)} rounds of {report.seconds} s, disturbed for"
        f" {100 * report.disturbed:.0f} % of the time"
    )


def build_rows(report: LoadReport) -> Iterator[ServerRow]:
    """Yield what each contender did."""
    for contender in report.contenders:
        name = contender.name
        middle = compute_medians([each.closed[name] for each in report.rounds])
        overhead = median(compute_overhead_ms(each, name) for each in report.rounds)
        yield ServerRow(
            contender.title,
            middle.rate,
            middle.p50_ms,
            middle.p99_ms,
            overhead if contender.has_same_detector else None,
        )


def compute_medians(taken: Sequence[ClosedLoopResult]) -> ClosedLoopResult:
    """Return the medians of all rounds."""
    return ClosedLoopResult(
        rate=median(each.rate for each in taken),
        p50_ms=median(each.p50_ms for each in taken),
        p99_ms=median(each.p99_ms for each in taken),
    )


def build_peer_table(report: LoadReport) -> Table:
    """Return one row for each contender."""
    table = Table("server", box=SIMPLE_HEAD, title=f"{CLIENTS} clients, one core")
    for name in ("requests/s", "p50 ms", "p99 ms", "overhead ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in build_rows(report):
        overhead = "" if row.overhead_ms is None else f"{row.overhead_ms:.2f}"
        figures = (f"{row.rate:.0f}", f"{row.p50_ms:.1f}", f"{row.p99_ms:.1f}", overhead)
        table.add_row(row.title, *figures)
    return table


def build_goal_table(goals: Sequence[Goal]) -> Table:
    """Return one row for each figure."""
    table = Table("what", box=SIMPLE_HEAD)
    for name in ("figure", "aim", "rounds"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for goal in goals:
        table.add_row(
            goal.what,
            f"{goal.figure:.3g}",
            f"{goal.sense} {goal.limit:g}",
            " ".join(f"{figure:.3g}" for figure in goal.rounds),
            VERDICTS[goal.is_reached],
        )
    return table


def build_batch_table(rounds: Sequence[Round]) -> Table:
    """Return one row for each number of clients."""
    ways = list(rounds[0].batching)
    table = Table("clients", box=SIMPLE_HEAD, title="single pictures and batches")
    for way in ways:
        for name in ("requests/s", "p99 ms"):
            table.add_column(f"{way}: {name}", justify="right", no_wrap=True)
    for clients in CLIENT_COUNTS:
        met = [compute_medians([each.batching[way][clients] for each in rounds]) for way in ways]
        figures = (f for each in met for f in (f"{each.rate:.0f}", f"{each.p99_ms:.1f}"))
        table.add_row(str(clients), *figures)
    return table


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
        "goals": [{**asdict(goal), "reached": goal.is_reached} for goal in report.goals],
        "servers": [asdict(row) for row in build_rows(report)],
        "rounds": [asdict(each) for each in report.rounds],
    }
    rounded: dict[str, Any] = _round_figures(document)
    return rounded


def _round_figures(value: Any) -> Any:  # noqa: ANN401  whatever JSON takes
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, Mapping):
        return {name: _round_figures(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_round_figures(each) for each in value]
    return value
