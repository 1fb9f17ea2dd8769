"""The networks that are not built, and the commands that build them."""

import shlex
from collections.abc import Collection, Sequence
from pathlib import Path

import click

from phiz.errors import OptionError
from phiz.models import catalog
from phiz.models.specs import (
    SERVICE_GROUP,
    ModelGroup,
    ModelSpec,
    NetworkSpec,
)


def require_built(models: Sequence[ModelSpec], folder: Path | None, *, each: bool) -> None:
    """Require that there is something to measure.

    Args:
        models: The models to measure.
        folder: Folder of the built models, if it was named.
        each: Whether a network of each model must be there; else one of any.

    Raises:
        OptionError: Nothing is built of a model that is to be measured.
    """
    place = folder or catalog.get_default_folder()
    unbuilt = [
        model
        for model in models
        if not any((place / spec.file_name).exists() for spec in model.networks)
    ]
    groups = dict.fromkeys(model.group for model in unbuilt)
    commands = [_format_build_command(group, (), folder) for group in groups]
    if each and unbuilt:
        names = ", ".join(model.name for model in unbuilt)
        raise OptionError(f"{place} lacks {names}; build with: {' and '.join(commands)}")
    if len(unbuilt) == len(models):
        raise OptionError(f"no models are built in {place}; build them with: {commands[0]}")


def report_missing(models: Sequence[ModelSpec], folder: Path | None) -> None:
    """Name the files that are not built on standard error, and the command that builds them.

    Args:
        models: The models to measure.
        folder: Folder of the built models, if it was named.
    """
    place = folder or catalog.get_default_folder()
    for group in dict.fromkeys(model.group for model in models):
        specs = [
            spec
            for model in models
            if model.group == group
            for network in model.networks
            for spec in (network, *network.variants)
            if not (place / spec.file_name).exists()
        ]
        if specs:
            files = ", ".join(spec.file_name for spec in specs)
            command = _format_build_command(group, specs, folder)
            click.echo(
                f"skipping networks that are not built: {files}; build them with: {command}",
                err=True,
            )


def _format_build_command(
    group: ModelGroup, specs: Collection[NetworkSpec], folder: Path | None
) -> str:
    """Return the command that builds some files of a group."""
    words = ["phiz models build"]
    if group != SERVICE_GROUP:
        words.append(f"--group {group}")
    asked = {spec.precision for spec in specs if not spec.is_built_by_default}
    words += [f"--variants {precision}" for precision in sorted(asked)]
    if folder:
        words.append(f"--models {shlex.quote(str(folder))}")
    return " ".join(words)
