"""``phiz detect``: find the faces of images, as a table, JSON or CSV."""

from pathlib import Path
from typing import Any

import click

from phiz.cli.options import add_options
from phiz.options import DETECT_OPTIONS

_DETECT_EPILOG = """
\b
Examples:
  phiz detect face.jpg
  phiz detect --model mtcnn --min-face 40 holiday/ > faces.jsonl
  phiz detect --format csv *.png | sort -t, -k3
  phiz detect --draw looked-at/ --min-score 0.8 crowd.jpg
  curl -s https://example.org/face.jpg | phiz detect -
  phiz detect --ray faces/ s3://bucket/pictures

\b
Exit status: 0 if every image was read, and drawn with --draw; 1 if one failed; 2 if the
command is invalid. An image without faces is not a failure. With --ray, 0 if every image has a
row; the row of an unreadable image holds its error.
"""


@click.command(epilog=_DETECT_EPILOG)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@add_options(DETECT_OPTIONS.items())
@click.option(
    "--format",
    "format_name",
    type=click.Choice(("table", "json", "csv")),
    help="Output format: json has one line per image with all details, csv one row per face."
    "  [default: table on a terminal, else json]",
)
@click.option(
    "--draw",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for copies of the images with boxes, landmarks and scores. A JPEG stays a JPEG;"
    " other formats become PNG.",
)
@click.option(
    "--ray",
    "ray_folder",
    metavar="FOLDER",
    help="Run on a Ray cluster (RAY_ADDRESS, or else this machine), and write Parquet files into"
    " this folder or address, such as s3://bucket/faces. PATH may be an address too. Images that"
    " already have a row are skipped.",
)
def detect(**arguments: Any) -> None:  # noqa: ANN401  what the options say
    """Find faces in images.

    PATH is an image, a folder (searched with its subfolders), or - for standard input. Boxes
    and landmarks are in pixels of the upright image, from its upper left corner. An unreadable
    image is reported on standard error, and the rest are processed.
    """
    # Not at the top: numpy and the runtime take a while to import; --help should not wait.
    from phiz.cli.detect_run import detect_images  # noqa: PLC0415

    detect_images(**arguments)
