"""The figures of ``phiz evaluate`` as tables, and as a document."""

from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any

import orjson
from rich.box import SIMPLE_HEAD
from rich.table import Table

from phiz.lab.accuracy.summary import EvaluationSummary

TableCells = list[tuple[str, str]]
"""Headings, and the texts below them."""


def build_tables(summaries: Sequence[EvaluationSummary]) -> Iterator[Table]:
    """Yield a table for each kind of measure that there are figures of."""
    for dataset in dict.fromkeys(each.dataset for each in summaries):
        for title, list_cells in TABLES.items():
            rows = [
                (each.model, each.overlap, cells)
                for each in summaries
                if each.dataset == dataset and (cells := list_cells(each))
            ]
            if rows:
                yield _build_table(f"{dataset}: {title}", rows)


def build_document(summaries: Sequence[EvaluationSummary]) -> dict[str, Any]:
    """Return all figures as a document of plain values; a figure that is not a number is null."""
    return {"figures": orjson.loads(orjson.dumps(list(summaries)))}


def _build_table(title: str, rows: Sequence[tuple[str, str, TableCells]]) -> Table:
    """Return a table of models and overlaps, with the headings of the first row."""
    table = Table("model", "overlap", title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading, _ in rows[0][-1]:
        table.add_column(heading, justify="right")
    for model, overlap, cells in rows:
        table.add_row(model, overlap, *(text for _, text in cells))
    return table


def _list_precisions(summary: EvaluationSummary) -> TableCells:
    """Return average precision and recall by level, and the time of a picture."""
    if not summary.levels or summary.errors:
        return []
    levels = summary.levels.items()
    return [
        *((f"AP {level}", _format_decimals(each.precision, 3)) for level, each in levels),
        *((f"recall {level}", _format_decimals(each.recall, 3)) for level, each in levels),
        ("ms", f"{summary.median_ms['total']:.1f}"),
    ]


def _list_recalls(summary: EvaluationSummary) -> TableCells:
    """Return recall by height of the face and by the share of the picture that it takes."""
    found = {**(summary.heights or {}), **(summary.shares or {})}
    return [
        (f"{name}\n({each.faces})", _format_decimals(each.recall, 3))
        for name, each in found.items()
    ]


def _list_errors(summary: EvaluationSummary) -> TableCells:
    """Return the errors on labelled faces, % of the distance of the eyes."""
    errors = summary.errors
    if not errors:
        return []
    quantiles = {"landmarks": errors.landmarks, "NME": errors.distances, "box": errors.box}
    return [
        ("found", str(errors.faces)),
        ("missed", str(errors.missed)),
        *(
            cell
            for name, each in quantiles.items()
            for cell in (
                (f"{name} median", _format_percent(each.median)),
                ("p90", _format_percent(each.p90)),
            )
        ),
        ("box offset", " ".join(f"{100 * each:+.0f}" for each in errors.box_offset)),
    ]


def _list_jitters(summary: EvaluationSummary) -> TableCells:
    """Return the jitter of faces in pictures that were moved, by overlap."""
    jitter = summary.jitter
    if not jitter:
        return []
    blend, nms = jitter["blend"], jitter["nms"]
    change = f"{100 * (blend.square / nms.square - 1):+.0f} %" if nms.square else "-"
    return [
        ("blend", _format_percent(blend.rms)),
        ("nms", _format_percent(nms.rms)),
        ("mean square of blend to nms", change),
        ("faces", str(jitter[summary.overlap].faces)),
        ("lost", str(jitter[summary.overlap].lost)),
    ]


def _list_alarms(summary: EvaluationSummary) -> TableCells:
    """Return the false alarms in pictures without faces."""
    if not summary.alarms:
        return []
    return [
        ("pictures", str(summary.pictures)),
        ("with detections", str(summary.alarms.pictures)),
        ("detections", str(summary.alarms.detections)),
    ]


def _list_second_boxes(summary: EvaluationSummary) -> TableCells:
    """Return the images with a second box over the labelled face."""
    alarms = summary.second_boxes or {}
    return [(name, str(each.pictures)) for name, each in alarms.items()]


def _list_film(summary: EvaluationSummary) -> TableCells:
    """Return the jitter between successive frames."""
    if not summary.film:
        return []
    return [
        ("root of the median mean square", _format_percent(summary.film.rms)),
        ("pairs", str(summary.film.faces)),
        ("frames without a face", str(summary.film.lost)),
    ]


TABLES: dict[str, Callable[[EvaluationSummary], TableCells]] = {
    "average precision and recall at IoU 0.5": _list_precisions,
    "recall by height, and by share of the picture (faces)": _list_recalls,
    "errors, % of the distance of the eyes": _list_errors,
    "jitter, root of the median mean square, % of the distance of the eyes": _list_jitters,
    "images with a second box over the labelled face": _list_second_boxes,
    "false alarms": _list_alarms,
    "jitter between frames, % of the distance of the eyes": _list_film,
}


def _format_percent(value: float) -> str:
    return _format_decimals(100 * value, 2)


def _format_decimals(value: float, count: int) -> str:
    return f"{value:.{count}f}" if isfinite(value) else "-"
