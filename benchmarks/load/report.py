"""The figures of the load benchmark as tables, and as a document."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.kit.charts import GREEN, GREY, Bar
from benchmarks.kit.cores import Cores
from benchmarks.kit.goals import Goal
from benchmarks.kit.instructions import can_count
from benchmarks.kit.report import (
    build_table,
    compute_medians,
    format_number,
    format_table,
    goals_to_document,
    replace_block,
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

    ``overhead_ms`` is processor time beyond the same detection in process; None where the detector
    is another. Other fields are those of ``ClosedLoopResult``.
    """

    title: str
    rate: float
    p50_ms: float
    p99_ms: float
    service_ms: float
    workers_ms: float
    service_instructions: float | None
    workers_instructions: float | None
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
        processor_ms = row.service_ms + row.workers_ms
        figure = f"{row.rate:.0f}/s, p50 {row.p50_ms:.1f} ms, processor {processor_ms:.2f} ms"
        if row.overhead_ms is not None:
            figure += f", overhead {row.overhead_ms:.2f}"
        colour = GREEN if row.title.startswith("phiz") else GREY
        yield Bar(row.title, figure, colour, row.rate)


def list_servers(report: LoadReport) -> tuple[list[str], list[list[str]]]:
    """Return headings, and one row for each contender: ms of processor time are a request's."""
    rows, counted = [], can_count()
    for row in build_rows(report):
        counts = (row.service_instructions, row.workers_instructions) if counted else ()
        times = row.p50_ms, row.p99_ms, row.service_ms, row.workers_ms, row.overhead_ms
        millions = (each and each / 1e6 for each in counts)
        rows.append([row.title, f"{row.rate:.0f}", *map(format_number, (*times, *millions))])
    headings = ["requests/s", "p50 ms", "p99 ms", "service ms", "workers ms", "overhead ms"]
    headings += ["service 10^6 instr.", "workers 10^6 instr."] if counted else []
    return [f"server, {CLIENTS} clients, one core", *headings], rows


def write_tables(page: Path, report: LoadReport) -> None:
    """Put the servers and the goals into their places of a Markdown document."""
    replace_block(page, "servers", format_table(*list_servers(report)))
    rows = [
        [
            goal.what,
            f"{goal.format_figure()}{', missed' if goal.is_reached is False else ''}",
            *(goal.format_limit(), goal.clock),
            f"{min(goal.rounds):.3g} to {max(goal.rounds):.3g}",
            goal.format_sign_test(),
        ]
        for goal in report.goals
    ]
    headings = ["figure", "median", "goal", "clock", "rounds", "sign test"]
    replace_block(page, "goals", format_table(headings, rows))


def build_batch_table(rounds: Sequence[Round]) -> Table:
    """Return one row for each number of clients."""
    ways = list(rounds[0].batching)
    rows = []
    held = [each.batching for each in rounds if each.batching]
    for clients in CLIENT_COUNTS:
        met = [compute_medians([each[way][clients] for each in held]) for way in ways]
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
