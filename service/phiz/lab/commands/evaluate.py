"""``phiz evaluate``: how good the models are on labelled photographs."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from phiz.cli.files import check_writable, make_folder, write_json
from phiz.cli.options import build_option
from phiz.errors import OptionError
from phiz.lab.commands.progress import track_items
from phiz.lab.report.evaluation_tables import build_document, build_tables
from phiz.loading import load_engine
from phiz.options import DETECT_OPTIONS

if TYPE_CHECKING:
    from rich.table import Table

    from phiz.lab.accuracy.evaluation import Evaluation
    from phiz.options import Overlap

EVALUATED_MODELS = DETECT_OPTIONS["model"].choices
# Written out, because the module that knows it takes a while to import; a test compares them.
MAX_SHIFTS = 288  # all there are of up to 8 pixels each way

EVALUATE_COLUMNS = 150  # of the tables where there is no terminal to ask

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
def evaluate(  # noqa: PLR0913  each is an option
    *,
    data: Path,
    models: Sequence[str],
    overlaps: "Sequence[Overlap]",
    passes: int,
    min_score: float | None,
    every: int,
    offset: int,
    shifts: int,
    target: Path | None,
    folder: Path | None,
) -> None:
    """Measure precision, errors, jitter and false alarms on labelled photographs.

    Settings of the service apply. PHIZ_SAMPLING=reference resizes like the original models.
    """
    # Not at the top: they take a while to import, and --help should not wait for them.
    from phiz import settings  # noqa: PLC0415
    from phiz.lab.accuracy.datasets import find_datasets  # noqa: PLC0415
    from phiz.lab.accuracy.evaluation import EvaluationRun, evaluate_model  # noqa: PLC0415
    from phiz.lab.accuracy.figures import summarise_evaluation  # noqa: PLC0415
    from phiz.lab.accuracy.jitter import sample_shifts  # noqa: PLC0415
    from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS  # noqa: PLC0415

    if target:
        check_writable(target, target if target.exists() else target.absolute().parent, "--json")
    if folder:
        make_folder(folder)
    found = [dataset.take_every(every, offset) for dataset in find_datasets(data)]
    datasets = [dataset for dataset in found if dataset.photographs]
    if not datasets:
        raise OptionError(
            f"{data} has no photograph from offset {offset} on; choose a smaller --offset"
        )
    # Photographs of any size, because moved ones come without compression.
    loaded, _ = load_engine(settings.load_settings(), models)
    engine = replace(loaded, limits=PHOTOGRAPH_LIMITS)
    # Jitter is measured under both overlaps at once, so that a model's first run has it all.
    runs = [
        EvaluationRun(model, overlap, min_score, sample_shifts(0 if place else shifts), passes)
        for model in dict.fromkeys(models)
        for place, overlap in enumerate(dict.fromkeys(overlaps))
    ]
    measured = [
        evaluate_model(engine, dataset, run, track_items) for dataset in datasets for run in runs
    ]
    summaries = [summarise_evaluation(each) for each in measured]
    _print_tables(build_tables(summaries))
    if target:
        write_json(target, build_document(summaries))
    if folder:
        _write_figures(measured, folder)


def _write_figures(evaluations: "Sequence[Evaluation]", folder: Path) -> None:
    from phiz.lab.report.evaluation_pictures import write_figures  # noqa: PLC0415  see evaluate

    for path in write_figures(evaluations, folder):
        click.echo(f"wrote {click.format_filename(path)}")


def _print_tables(tables: "Iterable[Table]") -> None:
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed

    console = Console(width=None if sys.stdout.isatty() else EVALUATE_COLUMNS)
    for table in tables:
        console.print(table)
