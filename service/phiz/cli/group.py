"""A group of commands that are imported when they are asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that imports the module of a command only to run it, and none for its own help.

    Attributes:
        targets: By the name of a command, its module and object, and its line in the help.
    """

    def __init__(self, *, targets: Mapping[str, tuple[str, str]], **settings: Any) -> None:  # noqa: ANN401  click's own
        super().__init__(**settings)
        self.targets = targets

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click passes it
        """Return the names in the order of the table."""
        return list(self.targets)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  see above
        """Return a command, or None if there is none of this name."""
        if cmd_name not in self.targets:
            return None
        module, _, name = self.targets[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  see above
        """Write the commands and their lines."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.targets.items()])
