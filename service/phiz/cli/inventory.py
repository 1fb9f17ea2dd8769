"""``phiz models list`` and ``phiz models verify``: which models are built."""

import json
from pathlib import Path
from typing import Any, Final

import click

from phiz.cli.models import add_models_option, list_networks
from phiz.cli.tables import print_table
from phiz.errors import ModelNotBuiltError
from phiz.models import catalog
from phiz.models.specs import SERVICE_GROUP, ModelSpec, NetworkSpec

STATES: Final = ("verified", "not built", "corrupt")  # from good to bad
MODEL_COLUMNS: Final = ("model", "what", "networks", "size", "licence", "state", "variants")

_add_group_option = click.option(
    "--group", help="Only the models of one group: face, classify or study."
)


@click.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@_add_group_option
@add_models_option
def list_models(folder: Path | None, group: str | None, *, as_json: bool) -> None:
    """List the models and whether they are built."""
    place = folder or catalog.get_default_folder()
    rows = [_build_row(spec, place) for spec in catalog.load_catalog().get_models(group)]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        print_table(MODEL_COLUMNS, map(_list_cells, rows), MODEL_COLUMNS)


@click.command()
@_add_group_option
@add_models_option
def verify(folder: Path | None, group: str | None) -> None:
    """Verify every built file against the catalogue, and exit with 1 if one differs.

    Optional models are verified only if they are built, or if --group names them.
    """
    place = folder or catalog.get_default_folder()
    flaws = {
        spec.file_name: catalog.find_network_error(spec, place)
        for spec in list_networks(group)
        if (spec.group == (group or SERVICE_GROUP) and spec.is_built_by_default)
        or (place / spec.file_name).exists()
    }
    for name, flaw in flaws.items():
        click.echo(f"{name}: {flaw or 'verified'}", err=flaw is not None)
    if any(flaws.values()):
        raise click.exceptions.Exit(1)


def _get_state(spec: NetworkSpec, folder: Path) -> str:
    flaw = catalog.find_network_error(spec, folder)
    if flaw is None:
        return "verified"
    return "not built" if isinstance(flaw, ModelNotBuiltError) else "corrupt"


def _build_row(model: ModelSpec, folder: Path) -> dict[str, Any]:
    """Return what is listed of a model; its state is the worst of its networks'."""
    states = {spec.name: _get_state(spec, folder) for spec in model.networks}
    variants = {
        spec.file_name: _get_state(spec, folder)
        for network in model.networks
        for spec in network.variants
    }
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


def _list_cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["name"],
        row["title"],
        " ".join(row["networks"]),
        f"{row['bytes'] / 1e6:.1f} MB",
        row["licence"],
        row["state"],
        _count_states(row["variants"]),
    )
