"""``phiz classify``: the classes of images, as a table, JSON or CSV."""

from pathlib import Path
from typing import Any

import click

from phiz.cli.options import add_options
from phiz.options import CLASSIFY_OPTIONS

_CLASSIFY_EPILOG = """
\b
Examples:
  phiz classify cat.jpg
  phiz classify --model mobilenet --top 1 --format csv holiday/ > seen.csv

\b
Exit status: 0 if every image was read; 1 if one failed; 2 if the command is invalid.
"""


@click.command(epilog=_CLASSIFY_EPILOG)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@add_options(CLASSIFY_OPTIONS.items())
@click.option(
    "--format",
    "format_name",
    type=click.Choice(("table", "json", "csv")),
    help="Output format: json has one line per image, csv one row per class."
    "  [default: table on a terminal, else json]",
)
def classify(**arguments: Any) -> None:  # noqa: ANN401  what the options say
    """Classify images into the 1000 classes of ImageNet.

    PATH is an image, a folder (searched with its subfolders), or - for standard input. An
    unreadable image is reported on standard error, and the rest are processed.

    \b
    Build the models once with:
      phiz models build --group classify
    """  # noqa: D301  click keeps the lines after a true backspace character
    # Not at the top: numpy and the runtime take a while to import; --help should not wait.
    from phiz.cli.classify_run import classify_images  # noqa: PLC0415

    classify_images(**arguments)
