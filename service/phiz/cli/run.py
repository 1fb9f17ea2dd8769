"""How a command goes through pictures: progress, what fails, and where its answers go."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Protocol

import click

from phiz.errors import PhizError

_MIN_TRACKED = 4  # pictures, from which on progress is shown


def try_image(process_image: Callable[[Path], None], path: Path) -> bool:
    """Do the work on one picture, and return whether that went well; if not, say why."""
    try:
        process_image(path)
    except OSError as error:
        blamed, problem = error.filename or path, error.strerror or str(error)
    except PhizError as error:
        blamed, problem = path, str(error)
    else:
        return True
    click.echo(f"phiz: {click.format_filename(blamed)}: {problem}", err=True)
    return False


class OutputReport(Protocol):
    """What is told of the pictures."""

    is_buffered: ClassVar[bool]

    def close(self) -> None:
        """Tell what has waited for the last picture."""


def run_each(
    paths: Sequence[Path], process_image: Callable[[Path], None], report: OutputReport, what: str
) -> None:
    """Do the work on each picture, close the report, and fail in the end if any picture did.

    Args:
        paths: What is worked through.
        process_image: On one of them; it tells the report.
        report: Of all.
        what: Is reported, for an error.
    """
    succeeded = [
        try_image(process_image, path)
        for path in track_images(paths, is_buffered=report.is_buffered)
    ]
    with guard_stdout(what):
        report.close()
        sys.stdout.flush()
    if not all(succeeded):
        raise click.exceptions.Exit(1)


@contextmanager
def guard_stdout(what: str) -> Iterator[None]:
    """End the command where standard output cannot be written: no picture is to blame."""
    try:
        yield
    except OSError as error:
        # What is still in the buffer would be tried again, and fail again, at the very end.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device, not a path
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever read it has had enough
            raise click.exceptions.Exit(1) from None
        raise click.ClickException(f"cannot write {what}: {error.strerror}") from error


def track_images(paths: Sequence[Path], *, is_buffered: bool) -> Iterator[Path]:
    """Yield the pictures, with a bar that moves if there is a free terminal to show it on.

    Args:
        paths: What is worked through.
        is_buffered: Whether nothing is printed before all are done.
    """
    free = sys.stderr.isatty() and (is_buffered or not sys.stdout.isatty())
    if len(paths) < _MIN_TRACKED or not free:
        yield from paths
        return
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    with Progress(console=console, transient=True, redirect_stdout=False) as progress:
        yield from progress.track(paths, description="pictures")
