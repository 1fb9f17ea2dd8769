"""How far a long measurement is, on standard error."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from phiz.lab.study.plan import StudyTask

T = TypeVar("T")

MIN_MINUTES_S = 90  # from here on in minutes


class StudyProgress:
    """Shows how far a study is: a bar that moves, or a line for each task without a terminal."""

    def __init__(self, total: int, bar: "RichProgress | None") -> None:
        self._total = total
        self._bar = bar
        if bar:
            bar.add_task("", total=total)

    def show(self, task: "StudyTask", done: int, left_s: float) -> None:
        """Show what is measured now, how much is done, and how long the rest will take."""
        left = _format_duration(left_s)
        if self._bar is None:
            click.echo(f"{done + 1} of {self._total}: {task}; {left} left", err=True)
            return
        (bar_id,) = self._bar.task_ids
        self._bar.update(bar_id, completed=done, description=f"{left} left: {task}")


@contextmanager
def show_progress(total: int) -> Iterator[StudyProgress]:
    """Give what shows how far a measurement of so many tasks is."""
    if not sys.stderr.isatty():
        yield StudyProgress(total, None)
        return
    # Slow to load, and seldom needed.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415

    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield StudyProgress(total, bar)


def track_items(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield the items, with a bar that moves if standard error is a terminal."""
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed
    from rich.progress import track  # noqa: PLC0415

    console = Console(stderr=True)
    yield from track(
        items, what, total=total, console=console, transient=True, disable=not sys.stderr.isatty()
    )


def _format_duration(seconds: float) -> str:
    if seconds >= MIN_MINUTES_S:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds:.0f} s"
