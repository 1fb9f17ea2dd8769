"""Precision and recall of a model at its default score limit and at others: tables and TOML.

::

    python -m benchmarks.accuracy.limits --data DIR --model front --model back

``DIR`` has ``wider/``, ``lfpw/`` and ``nofaces/``, as ``phiz evaluate`` reads them. Three of four
images of ``wider/`` are used; every one whose place is a multiple of four is left for others to
report on. A limit's row has the faces above it among those above a very low limit. The operating
point is of answers without ``min_score``, as ``models/catalog.toml`` and ``models/router.toml``
have it.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import harmonic_mean

import click
import numpy as np

from benchmarks.kit.options import data_option, model_option, models_option
from benchmarks.kit.precision import omit_held_out
from benchmarks.kit.report import build_table, print_tables
from phiz.engine import Engine, build_engine
from phiz.faces import DetectOptions
from phiz.lab.accuracy.alignment import SAME_FACE_IOU
from phiz.lab.accuracy.figures import MIN_IOU, judge_predictions, mask_level
from phiz.lab.accuracy.labels import ALL, LEVELS, PHOTOGRAPH_LIMITS, LabelledImage, read_annotations
from phiz.lab.accuracy.precision import compute_recall
from phiz.lab.accuracy.predictions import Prediction, predict_faces
from phiz.models.operating_point import RECALL_SETS, OperatingPoint

MIN_SCORE = 0.05  # of the answers that limits are applied to
MIN_SCORES = {"auto": 0.0}
SCORE_LIMITS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)

Predictions = dict[str, Sequence[Prediction]]
"""By set: ``wider``, ``lfpw`` and ``nofaces``."""


@click.command()
@data_option
@models_option
@model_option
def main(data: Path, models: Path, names: Sequence[str]) -> None:
    """Measure precision and recall at score limits."""
    loaded = build_engine(models, "half-pixel", PHOTOGRAPH_LIMITS, set(names))
    labels = {name: read_annotations(data / name) for name in ("wider", "lfpw", "nofaces")}
    labels["wider"] = omit_held_out(labels["wider"])
    for model in names:
        low = DetectOptions(min_score=MIN_SCORES.get(model, MIN_SCORE))
        print_curve(model, predict_sets(loaded, model, low, labels))
        default = predict_sets(loaded, model, DetectOptions(), labels)
        click.echo(format_operating_point(compute_operating_point(default, 0.0)))


def predict_sets(
    loaded: Engine, model: str, options: DetectOptions, labels: dict[str, list[LabelledImage]]
) -> Predictions:
    """Return the answers of a model to every set."""
    return {
        name: list(predict_faces(loaded, model, options, each)) for name, each in labels.items()
    }


def compute_operating_point(found: Predictions, limit: float) -> OperatingPoint:
    """Return the operating point of answers at a limit."""
    levels = {
        level: judge_predictions(found["wider"], partial(mask_level, level), MIN_IOU)
        for level in LEVELS
    }
    portraits = judge_predictions(found["lfpw"], partial(mask_level, ALL), SAME_FACE_IOU)
    widest = levels[LEVELS[-1]]
    hits = widest.hits[widest.scores >= limit]
    alarms = [any(face.score >= limit for face in each.faces) for each in found["nofaces"]]
    recall = {name: compute_recall(each, limit) for name, each in levels.items()}
    return OperatingPoint(
        f"{len(found['wider'])} photographs of WIDER FACE, {len(found['lfpw'])} portraits of LFPW,"
        f" {len(alarms)} photographs without a face",
        float(hits.mean()) if len(hits) else float("nan"),
        {**recall, RECALL_SETS[-1]: compute_recall(portraits, limit)},
        float(np.mean(alarms)),
    )


def print_curve(model: str, found: Predictions) -> None:
    """Print the figures at each limit."""
    rows = []
    for step in SCORE_LIMITS:
        each = compute_operating_point(found, step)
        f1 = [harmonic_mean([each.precision, each.recall[level]]) for level in LEVELS]
        figures = each.precision, *each.recall.values(), each.alarms, *f1
        rows.append([f"{step:g}", *(f"{figure:.3f}" for figure in figures)])
    headings = ("precision", *RECALL_SETS, "alarms", *(f"F1 {each}" for each in LEVELS))
    print_tables(model, build_table(["limit"], headings, rows))


def format_operating_point(measured: OperatingPoint) -> str:
    """Return an operating point as TOML."""
    figures = {"precision": measured.precision, **measured.recall, "alarms": measured.alarms}
    lines = [f"{name} = {figure:.3f}" for name, figure in figures.items()]
    return "\n".join([f'measured_on = "{measured.measured_on}"', *lines, ""])


if __name__ == "__main__":
    main()
