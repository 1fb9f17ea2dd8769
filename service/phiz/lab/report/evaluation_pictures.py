"""The pictures of ``phiz evaluate``: curves, histograms, and sheets of the worst mistakes."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
import numpy as np

from phiz.image.decode import decode
from phiz.lab.accuracy.alignment import SAME_FACE_IOU, align, box_errors
from phiz.lab.accuracy.evaluation import Measured
from phiz.lab.accuracy.figures import MIN_IOU, at_level, judged
from phiz.lab.accuracy.jitter import Jitter
from phiz.lab.accuracy.labels import LIMITS
from phiz.lab.accuracy.mistakes import Mistake, find_alarms, find_misses
from phiz.lab.accuracy.precision import Figures, precision_recall
from phiz.lab.accuracy.predictions import boxes_of
from phiz.lab.report.contact_sheets import MOST, Tile, cut_tile, draw_sheet
from phiz.lab.report.evaluation_charts import Panel, curve_panel, draw_panels, histogram_panel

PERCENT: Final = 100
JPEG_QUALITY: Final = 85


def draw_pictures(measured: Sequence[Measured], folder: Path) -> Iterator[Path]:
    """Write all pictures into a folder, and yield their files.

    Raises:
        ClickException: One cannot be written.
    """
    try:
        for name in dict.fromkeys(each.dataset.name for each in measured):
            runs = [each for each in measured if each.dataset.name == name]
            yield from _charts(runs, folder / name)
        for each in measured:
            yield from _sheets(each, folder)
    except OSError as error:
        raise click.ClickException(f"cannot write the pictures: {error}") from error


def _charts(runs: Sequence[Measured], stem: Path) -> Iterator[Path]:
    kind = runs[0].dataset.kind
    if kind == "scenes":
        title = f"{runs[0].dataset.name}: precision over recall at IoU {MIN_IOU}"
        yield _write(stem, "precision-recall.svg", draw_panels(title, curve_panels(runs)))
    if kind == "portraits":
        title = f"{runs[0].dataset.name}: errors, % of the distance of the eyes"
        yield _write(stem, "errors.svg", draw_panels(title, error_panels(runs)))


def curve_panels(runs: Sequence[Measured]) -> list[Panel]:
    """Return a panel for each level, with the curves of all runs on one data set."""
    return [
        curve_panel(
            level,
            {
                line_name(each): precision_recall(
                    judged(each.curve, partial(at_level, level), MIN_IOU)
                )
                for each in runs
            },
        )
        for level in runs[0].dataset.levels
    ]


def error_panels(runs: Sequence[Measured]) -> list[Panel]:
    """Return histograms of the errors of landmarks and boxes, and of jitter if it was measured."""
    asked_for = {each.run.overlap for each in runs}
    aligned = {line_name(each): align(each.served) for each in runs}
    measures: dict[str, dict[str, Figures]] = {
        "landmarks": {name: each.landmarks for name, each in aligned.items()},
        "box": {name: box_errors(each.sides)[0] for name, each in aligned.items()},
        "jitter": {
            f"{each.run.model}, {overlap}": _roots(jitters)
            for each in runs
            for overlap, jitters in each.jitters.items()
            if overlap in asked_for
        },
    }
    return [
        histogram_panel(title, "%", {name: PERCENT * each for name, each in values.items()})
        for title, values in measures.items()
        if values
    ]


def line_name(measured: Measured) -> str:
    """Return what tells a run from the others."""
    return f"{measured.run.model}, {measured.run.overlap}"


def _roots(jitters: Sequence[Jitter]) -> Figures:
    squares = np.array([each.square for each in jitters], float)
    roots: Figures = np.sqrt(squares[np.isfinite(squares)])
    return roots


def _sheets(measured: Measured, folder: Path) -> Iterator[Path]:
    dataset, run = measured.dataset, measured.run
    stem = folder / f"{dataset.name}-{run.model}-{run.overlap}"
    for what, mistakes in _mistakes(measured).items():
        if mistakes:
            tiles = [_tile(mistake, what) for mistake in mistakes[:MOST]]
            title = f"{dataset.name}, {line_name(measured)}: {what}, {len(tiles)} of"
            sheet = draw_sheet(f"{title} {len(mistakes)}, the worst first", tiles)
            path = Path(f"{stem}-{what.replace(' ', '-')}.jpg")
            sheet.save(path, quality=JPEG_QUALITY)
            yield path


def _mistakes(measured: Measured) -> Mapping[str, list[Mistake]]:
    kind, widest = measured.dataset.kind, measured.dataset.levels[-1]
    choose = partial(at_level, widest)
    if kind == "scenes":
        return {
            "missed": find_misses(measured.served, choose, MIN_IOU),
            "false alarms": find_alarms(measured.served, MIN_IOU),
        }
    if kind == "portraits":
        return {"missed": find_misses(measured.served, choose, SAME_FACE_IOU)}
    return {"false alarms": find_alarms(measured.served, MIN_IOU)} if kind == "faceless" else {}


def _tile(mistake: Mistake, what: str) -> Tile:
    label = mistake.observation.label
    width, height = (mistake.box[2:] - mistake.box[:2]).round().astype(int).tolist()
    told = f"{width}×{height}" if what == "missed" else f"{mistake.weight:.2f}"
    image = decode(label.path.read_bytes(), LIMITS)  # (H, W, 3)
    detected = boxes_of(mistake.observation.faces)  # (D, 4)
    return cut_tile(image, mistake.box, label.faces, detected, (told, label.path.stem))


def _write(stem: Path, what: str, text: str) -> Path:
    path = stem.with_name(f"{stem.name}-{what}")
    path.write_text(text, "utf-8")
    return path
