"""The body of ``phiz evaluate``."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console

from phiz import settings
from phiz.cli.files import check_writable, make_folder, write_json
from phiz.errors import OptionError
from phiz.lab.accuracy.datasets import find_datasets
from phiz.lab.accuracy.evaluation import EvaluationRun, evaluate_model
from phiz.lab.accuracy.figures import summarise_evaluation
from phiz.lab.accuracy.jitter import sample_shifts
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.lab.commands.progress import track_items
from phiz.lab.report.evaluation_pictures import write_figures
from phiz.lab.report.evaluation_tables import build_document, build_tables
from phiz.loading import load_engine
from phiz.options import Overlap

EVALUATE_COLUMNS = 150  # of the tables where there is no terminal to ask


def run_evaluation(  # noqa: PLR0913  one for each option
    *,
    data: Path,
    models: Sequence[str],
    overlaps: Sequence[Overlap],
    passes: int,
    min_score: float | None,
    every: int,
    offset: int,
    shifts: int,
    target: Path | None,
    folder: Path | None,
) -> None:
    """Measure, and show and write the figures; the arguments are the options."""
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
    console = Console(width=None if sys.stdout.isatty() else EVALUATE_COLUMNS)
    for table in build_tables(summaries):
        console.print(table)
    if target:
        write_json(target, build_document(summaries))
    if folder:
        for path in write_figures(measured, folder):
            click.echo(f"wrote {click.format_filename(path)}")
