"""``phiz blur``: cover the faces of images."""

from typing import Any

import click

from phiz.cli.edits.options import add_edit_options
from phiz.cli.options import add_options
from phiz.options import BLUR_OPTIONS, DETECT_OPTIONS

_BLUR_EPILOG = """
\b
Examples:
  phiz blur party.jpg
  phiz blur --output covered/ holiday/
  phiz blur --kind solid --grow 0.4 --in-place street.png
  phiz blur --ray s3://bucket/covered s3://bucket/pictures

\b
Exit status: 0 if every image was covered or skipped; 1 if one failed; 2 if the command is invalid.
An image without faces is not a failure. With --ray, 0 if every image has a row; the row of an
image that could not be covered holds its error.
"""
# The answer has one format here, and no details of faces.
_WITHOUT = ("format", "details")


@click.command(epilog=_BLUR_EPILOG)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@add_options(
    (name, option)
    for name, option in {**DETECT_OPTIONS, **BLUR_OPTIONS}.items()
    if name not in _WITHOUT
)
@add_edit_options("--output", "Folder for the covered images.  [default: beside each image]")
@click.option("--in-place", is_flag=True, help="Replace the images by their covered ones.")
def blur(**arguments: Any) -> None:  # noqa: ANN401  what the options say
    """Cover the faces of images.

    PATH is an image or a folder (searched with its subfolders). The covered image of face.jpg is
    face-blurred.jpg, or has the same name in another folder. JPEG, PNG and WebP keep their format,
    and others become PNG. Exif data is kept without its thumbnail. An image whose covered one
    exists is skipped, and so is a name that ends with -blurred in a folder.
    """
    # Not at the top: numpy and the runtime take a while to import; --help should not wait.
    from phiz.cli.edits.run import blur_images  # noqa: PLC0415

    blur_images(**arguments)
