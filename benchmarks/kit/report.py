"""Figures of the benchmarks as tables, in a terminal or in Markdown, and in JSON documents."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table

from benchmarks.kit.goals import Goal, format_missed
from phiz.lab.study.machine import describe_machine

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")

DECIMALS = 4
FILE_COLUMNS = 150  # width of tables if there is no terminal
VERDICTS = {True: "reached", False: "MISSED", None: ""}


def print_tables(*parts: RenderableType) -> None:
    """Print tables and lines."""
    Console(width=None if sys.stdout.isatty() else FILE_COLUMNS).print(*parts)


def build_table(
    texts: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]], title: str = ""
) -> Table:
    """Return a table with columns of texts, then columns of numbers."""
    table = Table(*texts, box=SIMPLE_HEAD, title=title or None)
    for heading in numbers:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def build_goal_table(goals: Sequence[Goal]) -> Table:
    """Return one row for each figure, without the columns that are empty in all of them."""
    columns = {
        "against": [goal.against for goal in goals],
        "ms": [format_number(goal.ours_ms) for goal in goals],
        "against ms": [format_number(goal.other_ms) for goal in goals],
        "figure": [goal.format_figure() for goal in goals],
        "clock": [goal.clock.replace("wall", "") for goal in goals],
        "by wall": [goal.format_wall() for goal in goals],
        "goal": [goal.format_limit() for goal in goals],
        "sign test, wall": [goal.format_sign_test() for goal in goals],
        "verdict": [VERDICTS[goal.is_reached] for goal in goals],
    }
    used = {name: column for name, column in columns.items() if any(column)}
    rows = zip([goal.what for goal in goals], *used.values(), strict=True)
    return build_table(["what"], list(used), rows)


def format_number(value: float | None) -> str:
    """Return a number with two decimals, or an empty text for None."""
    return "" if value is None else f"{value:.2f}"


def compute_medians(rounds: Sequence[Row]) -> Row:
    """Return the first of some rows, each of its floats replaced by the median of all rows.

    A float that some rows lack keeps its value.
    """
    values = {
        each.name: [getattr(row, each.name) for row in rounds]
        for each in fields(rounds[0])
        if each.type in {float, float | None}
    }
    medians = {name: median(each) for name, each in values.items() if None not in each}
    return replace(rounds[0], **medians)


def end_if_missed(goals: Iterable[Goal]) -> None:
    """End with a loud line and status 1 if a goal is missed by processor time."""
    if text := format_missed(goals):
        sys.exit(text)


def compute_disturbance(runs: Iterable[Mapping[Any, Any]]) -> float:
    """Return the share of the time that other processes had the core, 0 to 1.

    Args:
        runs: With the times ``wall`` and ``processor`` of each.
    """
    kept = list(runs)
    processor, wall = (float(sum(run[name] for run in kept)) for name in ("processor", "wall"))
    return max(0.0, 1 - processor / wall)


def goals_to_document(goals: Iterable[Goal]) -> list[dict[str, Any]]:
    """Return goals as JSON takes them, without fields that are empty."""
    return [
        {name: value for name, value in asdict(goal).items() if value not in (None, "", ())}
        | {"reached": goal.is_reached}
        for goal in goals
    ]


def round_figures(value: Any) -> Any:  # noqa: ANN401  whatever JSON takes
    """Return a value with its floats rounded, at any depth."""
    if isinstance(value, float):
        return round(value, DECIMALS)
    if isinstance(value, Mapping):
        return {name: round_figures(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [round_figures(each) for each in value]
    return value


def update_json(document: Path | None, figures: Mapping[str, Any]) -> None:
    """Replace these entries of a document, if there is one; others write into it too."""
    if document:
        kept = json.loads(document.read_text("utf-8")) if document.exists() else {}
        document.write_text(json.dumps({**kept, **figures}, indent=1) + "\n", "utf-8")


def write_entry(document: Path | None, name: str, figures: Mapping[str, Any]) -> None:
    """Replace an entry of a document, if there is one, by figures and the machine behind them."""
    if document:
        update_json(document, {name: {"machine": asdict(describe_machine()), **figures}})


def print_results(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    page: Path | None,
    name: str,
    above: str = "",
) -> None:
    """Print a table, and put it below some lines into a place of a Markdown document."""
    print_tables(build_table(headings[:1], headings[1:], rows))
    if page:
        replace_block(page, name, above + format_table(headings, rows))


def replace_block(path: Path, name: str, block: str) -> None:
    """Replace the lines of a Markdown document between two comments, NAME and /NAME.

    Raises:
        BadParameter: The document has no such place.
    """
    first, last = f"<!-- {name} -->\n\n", f"\n<!-- /{name} -->\n"
    before, opened, rest = path.read_text("utf-8").partition(first)
    _, closed, after = rest.partition(last)
    if not (opened and closed):
        raise click.BadParameter(f"{path} has no lines {first.strip()} and {last.strip()}")
    path.write_text(f"{before}{first}{block}{last}{after}", "utf-8")


def format_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown, its lines ended."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
