"""The command ``phiz``."""

import errno
import os
import sys
from contextlib import suppress
from typing import Any

import click

import phiz
from phiz.cli.group import LazyGroup
from phiz.errors import OptionError, PhizError

_COMMANDS = {
    "detect": ("phiz.cli.detect:detect", "Find faces in images."),
    "blur": ("phiz.cli.edits.blur:blur", "Cover the faces of images."),
    "crops": ("phiz.cli.edits.crops:crops", "Cut the faces out of images."),
    "classify": (
        "phiz.cli.classify:classify",
        "Classify images into the 1000 classes of ImageNet.",
    ),
    "watch": ("phiz.cli.watch.command:watch", "Find and follow the faces of a camera or a video."),
    "serve": ("phiz.cli.serve:serve", "Serve detection over HTTP until stopped."),
    "key": ("phiz.cli.key:key", "Create an API key for the service."),
    "models": ("phiz.cli.models:models", "Build, list and verify the models."),
    "bench": ("phiz.lab.commands.bench:bench", "Choose the fastest way to run each model here."),
    "study": ("phiz.lab.commands.study:study", "Measure every way to run every model here."),
    "evaluate": (
        "phiz.lab.commands.evaluate:evaluate",
        "Measure accuracy on labelled photographs.",
    ),
}
_INTERRUPTED_STATUS = 130  # 128 and the number of SIGINT, as shells have it


class _MainGroup(LazyGroup):
    """The commands, and errors as one line each."""

    def main(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  click's own
        """Run the command, and end with an error if its output has no room."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            with suppress(OSError):  # of the same disk
                click.echo(f"Error: cannot write the output: {error.strerror}", err=True)
            # Python would try to write the rest again when it exits.
            null = os.open(os.devnull, os.O_WRONLY)
            for number in (1, 2):
                os.dup2(null, number)
            sys.exit(1)

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


@click.group(
    cls=_MainGroup,
    targets=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(phiz.__version__, prog_name="phiz")
def main() -> None:
    """Find faces in images, on the command line or over HTTP.

    \b
    First steps:
      phiz models build       download and verify the models, once
      phiz detect face.jpg    find the faces of an image
      phiz serve              answer over HTTP, on port 8000
    """  # noqa: D301  click keeps the lines after a true backspace character
