"""The run of a command through its images: read, time, report, and go on after an error."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click

from phiz.cli.files import read_image_bytes
from phiz.cli.formats import Report, guard_stdout
from phiz.errors import PhizError
from phiz.timings import Stopwatch

ResultT = TypeVar("ResultT")

_MIN_TRACKED = 4  # images, from which on progress is shown


def run_images(
    paths: Sequence[Path],
    max_bytes: int,
    answer: Callable[[Path, bytes, Stopwatch], ResultT],
    report: Report[ResultT],
    finish: Callable[[Path, bytes, ResultT], None] | None = None,
) -> None:
    """Answer each image, report the results, and fail in the end if any image failed.

    Args:
        paths: The images.
        max_bytes: Most bytes of an image.
        answer: Returns the result of an image, given its path and its bytes.
        report: Takes the results, and is closed.
        finish: Called with each image and its result after it is reported.

    Raises:
        Exit: An image failed; standard error says why.
        ClickException: Standard output cannot be written.
    """

    def run_image(path: Path) -> None:
        image_bytes = read_image_bytes(path, max_bytes)
        stopwatch = Stopwatch()
        result = answer(path, image_bytes, stopwatch)
        with guard_stdout(report.layout.what):
            report.add(click.format_filename(path), result, stopwatch.to_timings())
        if finish:
            finish(path, image_bytes, result)

    tracked = track_images(paths, is_buffered=report.is_buffered)
    succeeded = [try_image(run_image, path) for path in tracked]
    with guard_stdout(report.layout.what):
        report.close()
    if not all(succeeded):
        raise click.exceptions.Exit(1)


def try_image(process_image: Callable[[Path], None], path: Path) -> bool:
    """Process an image, and return whether it succeeded; if not, say why."""
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


def track_images(paths: Sequence[Path], *, is_buffered: bool) -> Iterator[Path]:
    """Yield the images, with a bar that moves if there is a free terminal to show it on."""
    free = sys.stderr.isatty() and (is_buffered or not sys.stdout.isatty())
    if len(paths) < _MIN_TRACKED or not free:
        yield from paths
        return
    from rich import console, progress  # noqa: PLC0415  slow to load, and seldom needed

    stderr = console.Console(stderr=True)
    with progress.Progress(console=stderr, transient=True, redirect_stdout=False) as bar:
        yield from bar.track(paths, description="images")
