"""The options that ``phiz blur`` and ``phiz crops`` share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def add_edit_options(output: str, help_text: str) -> Callable[[CommandT], CommandT]:
    """Return a decorator that gives a command the options of its outputs.

    Args:
        output: The option of the folder.
        help_text: Its help.
    """
    decorators: list[Callable[[CommandT], CommandT]] = [
        click.option(
            output,
            "folder",
            type=click.Path(file_okay=False, path_type=Path),
            help=f"{help_text}  Paths within a folder that is read are kept.",
        ),
        click.option("--force", is_flag=True, help="Replace outputs that exist."),
        click.option(
            "--format",
            "format_name",
            type=click.Choice(("table", "json", "csv")),
            help="Format of the list of outputs.  [default: table on a terminal, else json]",
        ),
        click.option(
            "--ray",
            "ray_folder",
            metavar="FOLDER",
            help="Run on a Ray cluster (RAY_ADDRESS, or else this machine), and write the outputs,"
            " and Parquet files as phiz detect --ray, into this folder or address, such as"
            " s3://bucket/faces. PATH may be an address too. Images that already have a row are"
            " skipped.",
        ),
    ]

    def decorate(command: CommandT) -> CommandT:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate
