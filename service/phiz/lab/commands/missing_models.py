"""What is not built of what a study measures, and the commands that build it."""

import shlex
from collections.abc import Collection
from pathlib import Path

import click

from phiz.errors import OptionError
from phiz.models import catalog
from phiz.models.specs import (
    MODEL_GROUPS,
    SELECTABLE_PRECISIONS,
    SERVICE_GROUP,
    VARIANT_PRECISIONS,
    Catalog,
    ModelGroup,
    NetworkSpec,
)


def require_built(known: Catalog, folder: Path | None, wanted: Collection[str]) -> None:
    """Require that there is something to measure.

    Args:
        known: All models.
        folder: Where built models lie, if it was named.
        wanted: Models of which each must be there; empty if any will do.

    Raises:
        CatalogError: There is no such model.
        OptionError: Nothing is built of a model that is to be measured.
    """
    place = folder or catalog.get_default_folder()
    models = [known.get_model(name) for name in wanted] or known.models
    unbuilt = [
        model
        for model in models
        if not any((place / spec.file_name).exists() for spec in model.networks)
    ]
    if len(unbuilt) == len(models) and not wanted:
        command = _format_build_command(SERVICE_GROUP, (), folder)
        raise OptionError(f"no models are built in {place}; build them with: {command}")
    if unbuilt and wanted:
        names = ", ".join(model.name for model in unbuilt)
        commands = dict.fromkeys(
            _format_build_command(model.group, (), folder) for model in unbuilt
        )
        raise OptionError(f"{place} lacks {names}; build with: {' and '.join(commands)}")


def report_missing(known: Catalog, folder: Path | None, wanted: Collection[str]) -> None:
    """Say on standard error which files take no part, and what builds them.

    Args:
        known: All models.
        folder: Where built models lie, if it was named.
        wanted: Models that are measured; empty for all.
    """
    place = folder or catalog.get_default_folder()
    for group in MODEL_GROUPS:
        specs = [
            spec
            for model in known.get_models(group)
            if not wanted or model.name in wanted
            for network in model.networks
            for spec in (network, *network.variants)
            if not (place / spec.file_name).exists()
        ]
        if specs:
            files = ", ".join(spec.file_name for spec in specs)
            print_missing(files, _format_build_command(group, specs, folder))


def print_missing(files: str, command: str) -> None:
    """Say on standard error that files take no part in a measurement, and what builds them."""
    click.echo(
        f"skipping networks that are not built: {files}; build them with: {command}", err=True
    )


def _format_build_command(
    group: ModelGroup, specs: Collection[NetworkSpec], folder: Path | None
) -> str:
    """Return the command that builds some files of a group."""
    words = ["phiz models build"]
    if group != SERVICE_GROUP:
        words.append(f"--group {group}")
    asked = {spec.precision for spec in specs} & {*VARIANT_PRECISIONS} - {
        *SELECTABLE_PRECISIONS[group]
    }
    words += [f"--variants {precision}" for precision in sorted(asked)]
    if folder:
        words.append(f"--models {shlex.quote(str(folder))}")
    return " ".join(words)
