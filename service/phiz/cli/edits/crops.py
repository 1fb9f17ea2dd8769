"""``phiz crops``: cut the faces out of images."""

from typing import Any

import click

from phiz.cli.edits.options import add_edit_options
from phiz.cli.options import add_options
from phiz.options import CROP_OPTIONS, DETECT_OPTIONS

_CROPS_EPILOG = """
\b
Examples:
  phiz crops --output faces/ holiday/
  phiz crops --align eyes --size 160 --encoding png --output faces/ group.jpg
  phiz crops --ray s3://bucket/crops s3://bucket/pictures

\b
Exit status: 0 if every image was read or skipped; 1 if one failed; 2 if the command is invalid.
An image without faces is not a failure. With --ray, 0 if every image has a row; the row of an
unreadable image holds its error.
"""


@click.command(epilog=_CROPS_EPILOG)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@add_options(
    (name, option)
    for name, option in {**DETECT_OPTIONS, **CROP_OPTIONS}.items()
    if name != "format"
)
@add_edit_options("--output", "Folder for the crops.")
def crops(**arguments: Any) -> None:  # noqa: ANN401  what the options say
    """Cut the faces out of images, as squares of one size.

    PATH is an image or a folder (searched with its subfolders). Each image gets a folder of its
    name with face-1.jpg and so on, best first, and with faces.json: the answer of phiz detect, and
    the transform of each crop. An image whose faces.json exists is skipped. With --force it is done
    again, and crops that it no longer has are removed.
    """
    # Not at the top: numpy and the runtime take a while to import; --help should not wait.
    from phiz.cli.edits.run import crop_images  # noqa: PLC0415

    crop_images(**arguments)
