"""The command ``phiz``. Each of its subcommands is a module, imported when it is asked for."""

import os
from importlib import import_module
from typing import Any

import click

import phiz
from phiz.errors import OptionError, PhizError

# By the name of a command, the package of its module.
_COMMANDS = {
    "detect": "phiz.cli",
    "classify": "phiz.cli",
    "serve": "phiz.cli",
    "models": "phiz.cli",
    "bench": "phiz.lab.commands",
    "study": "phiz.lab.commands",
    "evaluate": "phiz.lab.commands",
}
_INTERRUPTED_STATUS = 130  # 128 and the number of SIGINT, as shells have it


class _Commands(click.Group):
    """Subcommands by the names of their modules, and errors as one line each."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click passes it
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  see above
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"{_COMMANDS[cmd_name]}.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own
        # onnxruntime reports its use to its makers, unless this is there before it is loaded.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise click.UsageError(str(error)) from error
        except PhizError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_INTERRUPTED_STATUS) from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(phiz.__version__, prog_name="phiz")
def main() -> None:
    """Find faces in images, on the command line or over HTTP.

    \b
    phiz models build            download and verify the models, once
    phiz detect face.jpg         find the faces of an image
    phiz serve                   answer over HTTP, on port 8000
    phiz classify cat.jpg        classify an image
    phiz bench                   what is fastest on this machine, and as good
    phiz study                   what every way to run every network costs here
    phiz evaluate DATA           how good the models are on labelled photographs
    """  # noqa: D301  click keeps the lines after a true backspace character
