"""Figures in documents: entries in JSON, and tables in Markdown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.kit.report import build_table, print_tables
from phiz.lab.study.machine import describe_machine


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
    """Print a table, and put it into a Markdown document, if there is one.

    Args:
        headings: The first is that of texts, the others those of numbers.
        rows: Below them.
        page: The document.
        name: Of the place in it.
        above: Lines that the document has above the table.
    """
    print_tables(build_table(headings[:1], headings[1:], rows))
    if page:
        replace_block(page, name, above + format_table(headings, rows))


def replace_block(path: Path, name: str, block: str) -> None:
    """Replace what a Markdown document has between two comments, NAME and /NAME.

    Args:
        path: Of the document.
        name: Of the place.
        block: Lines, the last one ended.

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
