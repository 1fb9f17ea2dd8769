"""``phiz study``: measure every way to run every network here, and recommend one."""

from pathlib import Path
from typing import Any

import click

from phiz.models.specs import MODEL_GROUPS

_STUDY_EPILOG = """
\b
Examples:
  phiz study --quick
  phiz study --data DIR
  phiz study --compare old.json new.json --out both/
"""


@click.command(epilog=_STUDY_EPILOG)
@click.argument("studies", metavar="[STUDY...]", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--models",
    "folder",
    envvar="PHIZ_MODELS",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the built models.  [default: where they are built]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for study.json and study.html. Required with --emulated and --compare."
    "  [default: the profile's folder]",
)
@click.option(
    "--profile",
    envvar="PHIZ_PROFILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for the choice that the service follows. With --emulated, no profile is written"
    " without this option.  [default: profile.json beside the models]",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of labelled photographs, with photos/ and wider/. Without it the study measures"
    " agreement with float32 instead of accuracy.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="One image on one thread and fewer runs; takes about three minutes.",
)
@click.option(
    "--only", multiple=True, metavar="MODEL", help="Measure only this model; may be repeated."
)
@click.option("--group", type=click.Choice(MODEL_GROUPS), help="Measure only this group of models.")
@click.option("--fresh", is_flag=True, help="Start over instead of resuming an interrupted study.")
@click.option("--device", metavar="NAME", help="Name of this machine in the report.")
@click.option(
    "--emulated",
    metavar="HOW",
    help="State in the report how this machine emulates a smaller device.",
)
@click.option(
    "--compare",
    is_flag=True,
    help="Compare STUDY files in one report, oldest device first. Nothing is measured.",
)
def study(**options: Any) -> None:  # noqa: ANN401  as many types as options
    """Measure every precision, runtime, thread count and batch size, and recommend the best.

    Measurements are interleaved over several rounds. Run the same command again to resume an
    interrupted study. Figures go to study.json, the report to study.html, and the choice to the
    profile that PHIZ_RUNTIME=auto and the classifiers follow.
    """
    # Not at the top: it takes a while to import, and --help should not wait for it.
    from phiz.lab.commands.study_run import run_study  # noqa: PLC0415

    run_study(**options)
