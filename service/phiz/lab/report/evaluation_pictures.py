"""The pictures of ``phiz evaluate``: curves, histograms, and sheets of the worst mistakes."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import numpy as np
from PIL import Image

from phiz.image.decode import decode_image
from phiz.lab.accuracy.alignment import SAME_FACE_IOU, measure_alignment
from phiz.lab.accuracy.evaluation import Evaluation
from phiz.lab.accuracy.figures import MIN_IOU, judge_predictions, mask_level
from phiz.lab.accuracy.jitter import Jitter
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.lab.accuracy.mistakes import Mistake, find_false_alarms, find_misses
from phiz.lab.accuracy.precision import FloatArray, compute_precision_recall
from phiz.lab.accuracy.predictions import to_boxes
from phiz.lab.report.contact_sheets import MAX_TILES, Tile, draw_sheet, draw_tile
from phiz.lab.report.evaluation_charts import (
    Panel,
    build_curve_panel,
    build_histogram_panel,
    draw_panels,
)

JPEG_QUALITY: Final = 85


def write_figures(evaluations: Sequence[Evaluation], folder: Path) -> Iterator[Path]:
    """Write all pictures into a folder, and yield their files.

    Raises:
        ClickException: One cannot be written.
    """
    try:
        for name in dict.fromkeys(each.dataset.name for each in evaluations):
            runs = [each for each in evaluations if each.dataset.name == name]
            for chart, text in _draw_charts(runs).items():
                path = folder / f"{name}-{chart}.svg"
                path.write_text(text, "utf-8")
                yield path
        for each in evaluations:
            for what, mistakes in _find_mistakes(each).items():
                if mistakes:
                    stem = f"{each.dataset.name}-{each.run.model}-{each.run.overlap}"
                    path = folder / f"{stem}-{what.replace(' ', '-')}.jpg"
                    _draw_mistakes(each, what, mistakes).save(path, quality=JPEG_QUALITY)
                    yield path
    except OSError as error:
        raise click.ClickException(f"cannot write the pictures: {error}") from error


def _draw_charts(runs: Sequence[Evaluation]) -> dict[str, str]:
    """Return by name the SVGs of all runs on one data set."""
    dataset = runs[0].dataset
    if dataset.kind == "scenes":
        title = f"{dataset.name}: precision over recall at IoU {MIN_IOU}"
        return {"precision-recall": draw_panels(title, build_curve_panels(runs))}
    if dataset.kind == "portraits":
        title = f"{dataset.name}: errors, % of the distance of the eyes"
        return {"errors": draw_panels(title, build_error_panels(runs))}
    return {}


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
        "box": {name: each.boxes for name, each in aligned.items()},
        "jitter": {
            f"{each.run.model}, {overlap}": _compute_roots(jitters)
            for each in runs
            for overlap, jitters in each.jitters.items()
            if overlap in asked_for
        },
    }
    return [
        build_histogram_panel(title, "%", {name: 100 * each for name, each in values.items()})
        for title, values in measures.items()
        if values
    ]


def format_line_name(evaluation: Evaluation) -> str:
    """Return the name of a run in a legend."""
    return f"{evaluation.run.model}, {evaluation.run.overlap}"


def _compute_roots(jitters: Sequence[Jitter]) -> FloatArray:
    squares = np.array([each.square for each in jitters], float)
    roots: FloatArray = np.sqrt(squares[np.isfinite(squares)])
    return roots


def _find_mistakes(evaluation: Evaluation) -> dict[str, list[Mistake]]:
    kind, predictions = evaluation.dataset.kind, evaluation.predictions
    found = {}
    if kind in {"scenes", "portraits"}:
        choose = partial(mask_level, evaluation.dataset.levels[-1])
        min_iou = MIN_IOU if kind == "scenes" else SAME_FACE_IOU
        found["missed"] = find_misses(predictions, choose, min_iou)
    if kind in {"scenes", "faceless"}:
        found["false alarms"] = find_false_alarms(predictions, MIN_IOU)
    return found


def _draw_mistakes(evaluation: Evaluation, what: str, mistakes: Sequence[Mistake]) -> Image.Image:
    tiles = [_draw_mistake(mistake, what) for mistake in mistakes[:MAX_TILES]]
    run = f"{evaluation.dataset.name}, {format_line_name(evaluation)}"
    count = f"{len(tiles)} of {len(mistakes)}"
    return draw_sheet(f"{run}: {what}, {count}, the worst first", tiles)


def _draw_mistake(mistake: Mistake, what: str) -> Tile:
    label = mistake.prediction.label
    width, height = (mistake.box[2:] - mistake.box[:2]).round().astype(int).tolist()
    caption = f"{width}×{height}" if what == "missed" else f"{mistake.weight:.2f}"
    image = decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS)  # (H, W, 3)
    detected = to_boxes(mistake.prediction.faces)  # (D, 4)
    tile = draw_tile(image, mistake.box, label.faces, detected)
    return tile, caption, label.path.stem
