"""How far a long measurement is, on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from phiz.lab.study.plan import StudyTask

MIN_MINUTES_S = 90  # from here on in minutes


class StudyProgress(Protocol):
    """Shows how far it is."""

    def show(self, task: "StudyTask", done: int, left_s: float) -> None:
        """Show what is measured now, how much is done, and how long the rest will take."""
        ...  # pragma: no cover


class _LineProgress:
    """A line for each task, where there is no terminal."""

    def __init__(self, total: int) -> None:
        self._total = total

    def show(self, task: "StudyTask", done: int, left_s: float) -> None:
        click.echo(
            f"{done + 1} of {self._total}: {task}; {_format_duration(left_s)} left", err=True
        )


class _BarProgress:
    """A bar that moves."""

    def __init__(self, progress: "RichProgress", total: int) -> None:
        self._progress = progress
        self._bar_id = progress.add_task("", total=total)

    def show(self, task: "StudyTask", done: int, left_s: float) -> None:
        text = f"{_format_duration(left_s)} left: {task}"
        self._progress.update(self._bar_id, completed=done, description=text)


@contextmanager
def show_progress(total: int) -> Iterator[StudyProgress]:
    """Give what shows how far a measurement of so many tasks is."""
    if not sys.stderr.isatty():
        yield _LineProgress(total)
        return
    # Slow to load, and seldom needed.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn  # noqa: PLC0415
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    columns = (BarColumn(20), MofNCompleteColumn(), TextColumn("{task.description}", markup=False))
    with RichProgress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield _BarProgress(progress, total)


def _format_duration(seconds: float) -> str:
    if seconds >= MIN_MINUTES_S:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds:.0f} s"
