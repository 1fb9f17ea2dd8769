"""What is not built of what a study measures, and the commands that build it."""

import shlex
from collections.abc import Collection
from pathlib import Path

import click

from phiz.errors import OptionError
from phiz.models import catalog
from phiz.models.specs import CHOSEN, GROUPS, SERVICE, VARIANTS, Catalog, Group, NetworkCard


def demand_built(known: Catalog, folder: Path | None, only: Collection[str]) -> None:
    """Require that there is something to measure.

    Args:
        known: All models.
        folder: Where built models lie, if it was named.
        only: Models of which each must be there; empty if any will do.

    Raises:
        CatalogError: There is no such model.
        OptionError: Nothing is built of a model that is to be measured.
    """
    place = folder or catalog.default_folder()
    models = [known.model(name) for name in only] or known.models
    unbuilt = [
        model
        for model in models
        if not any((place / card.file).exists() for card in model.networks)
    ]
    if len(unbuilt) == len(models) and not only:
        command = _command(SERVICE, (), folder)
        raise OptionError(f"no model is built in {place}; build them with: {command}")
    if unbuilt and only:
        names = ", ".join(model.name for model in unbuilt)
        commands = dict.fromkeys(_command(model.group, (), folder) for model in unbuilt)
        raise OptionError(f"not built in {place}: {names}; to build: {' and '.join(commands)}")


def tell_unbuilt(known: Catalog, folder: Path | None, only: Collection[str]) -> None:
    """Say on standard error which files take no part, and what builds them.

    Args:
        known: All models.
        folder: Where built models lie, if it was named.
        only: Models that are measured; empty for all.
    """
    place = folder or catalog.default_folder()
    for group in GROUPS:
        cards = [
            card
            for model in known.group(group)
            if not only or model.name in only
            for network in model.networks
            for card in (network, *network.variants)
            if not (place / card.file).exists()
        ]
        if cards:
            files = ", ".join(card.file for card in cards)
            tell(files, _command(group, cards, folder))


def tell(files: str, command: str) -> None:
    """Say on standard error that files take no part in a measurement, and what builds them."""
    click.echo(
        f"not measured, because they are not built: {files}; build them with: {command}", err=True
    )


def _command(group: Group, cards: Collection[NetworkCard], folder: Path | None) -> str:
    """Return the command that builds some files of a group."""
    words = ["phiz models build"]
    if group != SERVICE:
        words.append(f"--group {group}")
    asked = {card.form for card in cards} & {*VARIANTS} - {*CHOSEN[group]}
    words += [f"--variants {form}" for form in sorted(asked)]
    if folder:
        words.append(f"--models {shlex.quote(str(folder))}")
    return " ".join(words)
