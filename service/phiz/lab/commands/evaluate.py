"""``phiz evaluate``: how good the models are on labelled photographs."""

from pathlib import Path
from typing import Any

import click

from phiz.cli.options import build_option
from phiz.options import DETECT_OPTIONS

EVALUATED_MODELS = DETECT_OPTIONS["model"].choices
# Written out, because the module that knows it takes a while to import; a test compares them.
MAX_SHIFTS = 288  # all there are of up to 8 pixels each way

_EVALUATE_EPILOG = """
\b
DATA is one of these, or a folder of them:
  annotations.json and images/   faces with box, landmarks, wider_levels
  WIDER FACE                     wider_face_split/ and WIDER_val/, perhaps ground_truth/
  FDDB                           FDDB-folds/ and originalPics/
  numbered frames of a film      one head that hardly moves

\b
Examples:
  phiz evaluate data/ --every 4 --json figures.json
  phiz evaluate data/lfpw --model front --overlap blend --overlap nms
"""


@click.command(epilog=_EVALUATE_EPILOG)
@click.argument("data", type=click.Path(exists=True, file_okay=False, path_type=Path))
@build_option(
    "model",
    DETECT_OPTIONS["model"],
    "models",
    multiple=True,
    default=EVALUATED_MODELS,
    show_default=False,
    help="Detector; may be repeated.  [default: all]",
)
@build_option(
    "overlap",
    DETECT_OPTIONS["overlap"],
    "overlaps",
    multiple=True,
    default=(DETECT_OPTIONS["overlap"].default,),
    help="How overlapping predictions are merged; may be repeated.",
)
@build_option("passes", DETECT_OPTIONS["passes"])
@build_option(
    "min_score",
    DETECT_OPTIONS["min_score"],
    help="Minimum score for all figures.  [default: the model's own limit; 0.05 for the average"
    " precision of front, back and full]",
)
@click.option(
    "--every",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Use only every n-th photograph of a set.",
)
@click.option(
    "--offset",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Index of the first photograph, from 0.",
)
@click.option(
    "--shifts",
    type=click.IntRange(0, MAX_SHIFTS),
    default=8,
    show_default=True,
    help="Number of shifts of each portrait to measure jitter.",
)
@click.option(
    "--json",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="JSON file for all figures.",
)
@click.option(
    "--pictures",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for curves and histograms (SVG) and for contact sheets of the worst misses and"
    " false alarms (JPEG). The sheets show parts of the photographs.",
)
def evaluate(**options: Any) -> None:  # noqa: ANN401  as many types as options
    """Measure precision, errors, jitter and false alarms on labelled photographs.

    Settings of the service apply. PHIZ_SAMPLING=reference resizes like the original models.
    """
    # Not at the top: it takes a while to import, and --help should not wait for it.
    from phiz.lab.commands.evaluate_run import run_evaluation  # noqa: PLC0415

    run_evaluation(**options)
