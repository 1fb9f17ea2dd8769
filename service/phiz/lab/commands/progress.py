"""How far a long measurement is, on standard error."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from phiz.lab.study.plan import StudyTask

T = TypeVar("T")

MIN_MINUTES_S = 90  # from here on in minutes


@contextmanager
def show_progress(total: int) -> Iterator[Callable[[StudyTask, int, float], None]]:
    """Give a function that shows what is measured now, how much is done, and the seconds left.

    It moves a bar, or writes a line for each task where there is no terminal.

    Args:
        total: The number of tasks.
    """
    with _create_bar() as bar:
        row = bar.add_task("", total=total)

        def show(task: StudyTask, done: int, left_s: float) -> None:
            left = f"{_format_duration(left_s)} left"
            if bar.disable:
                click.echo(f"{done + 1} of {total}: {task}; {left}", err=True)
            bar.update(row, completed=done, description=f"{left}: {task}")

        yield show


def track_items(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, with a bar that moves if standard error is a terminal."""
    with _create_bar() as bar:
        yield from bar.track(items, total=total, description=what)


def _create_bar() -> Progress:
    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty())


def _format_duration(seconds: float) -> str:
    if seconds >= MIN_MINUTES_S:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds:.0f} s"
