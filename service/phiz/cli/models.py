"""``phiz models``: build, list and verify."""

from pathlib import Path

import click

from phiz.cli.group import LazyGroup
from phiz.models import catalog
from phiz.models.specs import NetworkSpec

_MODEL_COMMANDS = {
    "build": ("phiz.cli.build:build", "Download the pinned sources and convert them to ONNX."),
    "list": ("phiz.cli.inventory:list_models", "List the models and whether they are built."),
    "verify": ("phiz.cli.inventory:verify", "Verify the built files against the catalogue."),
    "limits": ("phiz.cli.limits:limits", "List the default score limits and their accuracy."),
}

add_models_option = click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)


@click.group(cls=LazyGroup, targets=_MODEL_COMMANDS)
def models() -> None:
    """Build, list and verify the models."""


def list_networks(group: str | None) -> list[NetworkSpec]:
    """Return the networks of a group, or of all groups for None, then their variants.

    Raises:
        CatalogError: There is no such group.
    """
    models = catalog.load_catalog().get_models(group)
    networks = [network for model in models for network in model.networks]
    return networks + [variant for network in networks for variant in network.variants]
