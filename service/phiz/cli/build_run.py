"""The build that ``phiz models build`` runs, and how it shows its progress."""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.status import Status

from phiz.convert.builder import build_networks
from phiz.models.specs import NetworkSpec


def run_build(  # noqa: PLR0913  most are options
    networks: Sequence[NetworkSpec],
    total: int,
    folder: Path,
    sources_folder: Path | None,
    *,
    may_download: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Build networks, as the options of ``phiz models build`` say.

    ``total`` counts the networks of the command, those that are built already included.

    Raises:
        BuildError: A network could not be built; the others were.
        ModelError: The folder cannot be written.
    """
    with _show_build(quiet=quiet) as display, _handle_sigterm():
        build_networks(
            networks,
            folder,
            display.report_step,
            sources_folder=sources_folder,
            may_download=may_download,
            force=force,
            report_progress=display.report_progress,
        )
        display.report_step(f"built {len(networks)} of {total} networks in {folder}")


@dataclass(slots=True)
class _BuildDisplay:
    """Shows each step as a line on standard error, and on a terminal how far the last one is."""

    quiet: bool
    status: Status | None = None
    line: str = ""

    def report_step(self, line: str) -> None:
        """Print the step."""
        self.line = line
        if self.status:
            self.status.console.print(line, soft_wrap=True)
            self.status.update(f"{line} …")
        elif not self.quiet:
            click.echo(line, err=True)

    def report_progress(self, done_bytes: int, all_bytes: int) -> None:
        """Show how far the step is, if there is a terminal."""
        if self.status:
            self.status.update(f"{self.line}: {done_bytes / all_bytes:.0%} …")


@contextmanager
def _show_build(*, quiet: bool) -> Iterator[_BuildDisplay]:
    """Yield the display of a build."""
    if quiet or not sys.stderr.isatty():
        yield _BuildDisplay(quiet)
        return
    console = Console(stderr=True, highlight=False)
    with console.status("checking the built files") as status:
        yield _BuildDisplay(quiet, status)


@contextmanager
def _handle_sigterm() -> Iterator[None]:
    """Let SIGTERM end a build as an error would: partial files are removed, processes end."""

    def exit_on_signal(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # the clean-up is not interrupted
        sys.exit(128 + number)  # as shells have it

    before = signal.signal(signal.SIGTERM, exit_on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
