"""Options that several benchmarks have."""

from collections.abc import Collection, Sequence
from pathlib import Path

import click

from phiz.models.catalog import get_default_folder

BLAZEFACE = ("front", "back", "full")
MODELS = (*BLAZEFACE, "mtcnn", "yunet", "centerface", "auto")
PEERS_FOLDER = Path(__file__).parents[1] / ".peers"
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
NEW_FILE = click.Path(path_type=Path)

data_option = click.option("--data", type=FOLDER, required=True, help="Folder of the images.")
models_option = click.option(
    "--models", type=NEW_FILE, default=get_default_folder, help="Folder of the built models."
)
model_option = click.option(
    "--model", "names", type=click.Choice(MODELS), multiple=True, default=MODELS
)
json_option = click.option(
    "--json", "document", type=NEW_FILE, help="File for the figures; other entries of it are kept."
)
table_option = click.option(
    "--table", "page", type=FILE, help="Markdown file whose table is replaced."
)
picture_option = click.option("--picture", type=NEW_FILE, help="File for the chart, as SVG.")
peers_option = click.option(
    "--peers",
    type=click.Path(file_okay=False, path_type=Path),
    default=PEERS_FOLDER,
    help="Folder of the peers' environments.  [default: benchmarks/.peers]",
)
ask_peers_option = click.option(
    "--peers", "with_peers", is_flag=True, help="Ask other detectors too; they are installed first."
)
pythons_option = click.option(
    "--python",
    "pythons",
    metavar="NAME=PYTHON",
    multiple=True,
    help="Interpreter for a peer, with all its packages.",
)
sources_option = click.option(
    "--from",
    "sources",
    envvar="PHIZ_MODEL_FILES",
    type=FOLDER,
    help="Folder of the published networks' packages.  [default: they are downloaded]",
)


def read_pythons(pairs: Sequence[str], names: Collection[str]) -> dict[str, str]:
    """Return interpreters by peer, from pairs NAME=PYTHON.

    Raises:
        BadParameter: There is no such peer, or no interpreter.
    """
    named = dict(pair.partition("=")[::2] for pair in pairs)
    for name, python in named.items():
        if name not in names or not python:
            raise click.BadParameter(
                f"{name}={python} must be NAME=PYTHON, with NAME one of {', '.join(names)}"
            )
    return named
