"""The pictures of ``phiz evaluate``: curves, histograms, and sheets of the worst mistakes."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import numpy as np

from phiz.image.decode import decode_image
from phiz.lab.accuracy.alignment import SAME_FACE_IOU, compute_box_errors, measure_alignment
from phiz.lab.accuracy.evaluation import Evaluation
from phiz.lab.accuracy.figures import MIN_IOU, judge_predictions, mask_level
from phiz.lab.accuracy.jitter import Jitter
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.lab.accuracy.mistakes import Mistake, find_false_alarms, find_misses
from phiz.lab.accuracy.precision import FloatArray, compute_precision_recall
from phiz.lab.accuracy.predictions import to_boxes
from phiz.lab.report.contact_sheets import MAX_TILES, Tile, cut_tile, draw_sheet
from phiz.lab.report.evaluation_charts import (
    Panel,
    build_curve_panel,
    build_histogram_panel,
    draw_panels,
)

PERCENT: Final = 100
JPEG_QUALITY: Final = 85


def write_figures(evaluations: Sequence[Evaluation], folder: Path) -> Iterator[Path]:
    """Write all pictures into a folder, and yield their files.

    Raises:
        ClickException: One cannot be written.
    """
    try:
        for name in dict.fromkeys(each.dataset.name for each in evaluations):
            runs = [each for each in evaluations if each.dataset.name == name]
            yield from _write_charts(runs, folder / name)
        for each in evaluations:
            yield from _write_sheets(each, folder)
    except OSError as error:
        raise click.ClickException(f"cannot write the pictures: {error}") from error


def _write_charts(runs: Sequence[Evaluation], stem: Path) -> Iterator[Path]:
    kind = runs[0].dataset.kind
    if kind == "scenes":
        title = f"{runs[0].dataset.name}: precision over recall at IoU {MIN_IOU}"
        yield _write_chart(
            stem, "precision-recall.svg", draw_panels(title, build_curve_panels(runs))
        )
    if kind == "portraits":
        title = f"{runs[0].dataset.name}: errors, % of the distance of the eyes"
        yield _write_chart(stem, "errors.svg", draw_panels(title, build_error_panels(runs)))


def build_curve_panels(runs: Sequence[Evaluation]) -> list[Panel]:
    """Return a panel for each level, with the curves of all runs on one data set."""
    return [
        build_curve_panel(
            level,
            {
                format_line_name(each): compute_precision_recall(
                    judge_predictions(each.curve_predictions, partial(mask_level, level), MIN_IOU)
                )
                for each in runs
            },
        )
        for level in runs[0].dataset.levels
    ]


def build_error_panels(runs: Sequence[Evaluation]) -> list[Panel]:
    """Return histograms of the errors of landmarks and boxes, and of jitter if it was measured."""
    asked_for = {each.run.overlap for each in runs}
    aligned = {format_line_name(each): measure_alignment(each.predictions) for each in runs}
    measures: dict[str, dict[str, FloatArray]] = {
        "landmarks": {name: each.landmarks for name, each in aligned.items()},
        "box": {name: compute_box_errors(each.sides)[0] for name, each in aligned.items()},
        "jitter": {
            f"{each.run.model}, {overlap}": _compute_roots(jitters)
            for each in runs
            for overlap, jitters in each.jitters.items()
            if overlap in asked_for
        },
    }
    return [
        build_histogram_panel(title, "%", {name: PERCENT * each for name, each in values.items()})
        for title, values in measures.items()
        if values
    ]


def format_line_name(evaluation: Evaluation) -> str:
    """Return what tells a run from the others."""
    return f"{evaluation.run.model}, {evaluation.run.overlap}"


def _compute_roots(jitters: Sequence[Jitter]) -> FloatArray:
    squares = np.array([each.square for each in jitters], float)
    roots: FloatArray = np.sqrt(squares[np.isfinite(squares)])
    return roots


def _write_sheets(evaluation: Evaluation, folder: Path) -> Iterator[Path]:
    dataset, run = evaluation.dataset, evaluation.run
    stem = folder / f"{dataset.name}-{run.model}-{run.overlap}"
    for what, mistakes in _find_mistakes(evaluation).items():
        if mistakes:
            tiles = [_build_tile(mistake, what) for mistake in mistakes[:MAX_TILES]]
            title = f"{dataset.name}, {format_line_name(evaluation)}: {what}, {len(tiles)} of"
            sheet = draw_sheet(f"{title} {len(mistakes)}, the worst first", tiles)
            path = Path(f"{stem}-{what.replace(' ', '-')}.jpg")
            sheet.save(path, quality=JPEG_QUALITY)
            yield path


def _find_mistakes(evaluation: Evaluation) -> Mapping[str, list[Mistake]]:
    kind, widest = evaluation.dataset.kind, evaluation.dataset.levels[-1]
    choose = partial(mask_level, widest)
    if kind == "scenes":
        return {
            "missed": find_misses(evaluation.predictions, choose, MIN_IOU),
            "false alarms": find_false_alarms(evaluation.predictions, MIN_IOU),
        }
    if kind == "portraits":
        return {"missed": find_misses(evaluation.predictions, choose, SAME_FACE_IOU)}
    return (
        {"false alarms": find_false_alarms(evaluation.predictions, MIN_IOU)}
        if kind == "faceless"
        else {}
    )


def _build_tile(mistake: Mistake, what: str) -> Tile:
    label = mistake.prediction.label
    width, height = (mistake.box[2:] - mistake.box[:2]).round().astype(int).tolist()
    caption = f"{width}×{height}" if what == "missed" else f"{mistake.weight:.2f}"
    image = decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS)  # (H, W, 3)
    detected = to_boxes(mistake.prediction.faces)  # (D, 4)
    return cut_tile(image, mistake.box, label.faces, detected, (caption, label.path.stem))


def _write_chart(stem: Path, what: str, text: str) -> Path:
    path = stem.with_name(f"{stem.name}-{what}")
    path.write_text(text, "utf-8")
    return path
