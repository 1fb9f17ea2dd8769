"""``phiz bench``: choose the fastest way to run each model here, at equal accuracy."""

from pathlib import Path
from typing import Any

import click


@click.command()
@click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of labelled photographs in wider/. Without them only float32 can be chosen.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Number of runs of each network.",
)
@click.option(
    "--json",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file for all figures.",
)
@click.option(
    "--profile",
    envvar="PHIZ_PROFILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the choice that PHIZ_RUNTIME=auto follows.  [default: profile.json beside the"
    " models]",
)
def bench(**options: Any) -> None:  # noqa: ANN401  as many types as options
    """Measure every runtime, precision and number of threads, and choose the best.

    Runs are interleaved, and times are medians. Float32 is chosen only if its outputs equal the
    reference. A lower precision is chosen only if it finds the same faces on labelled
    photographs. Build int8 networks with: phiz models build --variants int8.
    """
    # Not at the top: it takes a while to import, and --help should not wait for it.
    from phiz.lab.commands.bench_run import run_bench  # noqa: PLC0415

    run_bench(**options)
