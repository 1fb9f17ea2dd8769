"""The figures of ``phiz evaluate`` as tables, and as a document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from phiz.lab.accuracy.summary import EvaluationSummary, RecallSummary

PERCENT = 100


def build_tables(summaries: "Sequence[EvaluationSummary]") -> "Iterator[Table]":
    """Yield a table for each kind of measure that there are figures of."""
    for dataset in dict.fromkeys(each.dataset for each in summaries):
        rows = [each for each in summaries if each.dataset == dataset]
        if rows[0].levels and not rows[0].errors:
            yield build_precision_table(dataset, rows)
        if rows[0].levels:
            yield build_recall_table(dataset, rows)
        if rows[0].errors:
            yield build_error_table(dataset, rows)
        if rows[0].jitter:
            yield build_jitter_table(dataset, rows)
        if rows[0].alarms:
            yield build_alarm_table(dataset, rows)
        if rows[0].film:
            yield build_film_table(dataset, rows)


def build_precision_table(dataset: str, rows: "Sequence[EvaluationSummary]") -> "Table":
    """Return average precision and recall by level, and the time of a picture."""
    levels = list(rows[0].levels or ())
    headings = [*(f"AP {level}" for level in levels), *(f"recall {level}" for level in levels)]
    table = _create_table(f"{dataset}: average precision and recall at IoU 0.5", *headings, "ms")
    for row in rows:
        found = list((row.levels or {}).values())
        figures = [*(each.precision for each in found), *(each.recall for each in found)]
        total = f"{row.median_ms['total']:.1f}"
        table.add_row(
            row.model, row.overlap, *(_format_decimals(each, 3) for each in figures), total
        )
    return table


def build_recall_table(dataset: str, rows: "Sequence[EvaluationSummary]") -> "Table":
    """Return recall by height of the face and by the share of the picture that it takes."""
    first = {**(rows[0].heights or {}), **(rows[0].shares or {})}
    headings = [f"{name}\n({found.faces})" for name, found in first.items()]
    table = _create_table(
        f"{dataset}: recall by height, and by share of the picture (faces)", *headings
    )
    for row in rows:
        found = {**(row.heights or {}), **(row.shares or {})}
        table.add_row(row.model, row.overlap, *map(_format_recall, found.values()))
    return table


def build_error_table(dataset: str, rows: "Sequence[EvaluationSummary]") -> "Table":
    """Return the errors on labelled faces, % of the distance of the eyes."""
    table = _create_table(
        f"{dataset}: errors, % of the distance of the eyes",
        *(
            "found",
            "missed",
            "landmarks median",
            "p90",
            "NME median",
            "p90",
            "box median",
            "p90",
            "box offset",
        ),
    )
    for row in rows:
        if row.errors:
            spreads = (row.errors.landmarks, row.errors.distances, row.errors.box)
            percents = [
                _format_percent(each) for spread in spreads for each in (spread.median, spread.p90)
            ]
            offset = " ".join(f"{PERCENT * each:+.0f}" for each in row.errors.box_offset)
            counts = str(row.errors.faces), str(row.errors.missed)
            table.add_row(row.model, row.overlap, *counts, *percents, offset)
    return table


def build_jitter_table(dataset: str, rows: "Sequence[EvaluationSummary]") -> "Table":
    """Return the jitter of faces in pictures that were moved, by overlap."""
    table = _create_table(
        f"{dataset}: jitter, root of the median mean square, % of the distance of the eyes",
        *("blend", "nms", "mean square of blend to nms", "faces", "lost"),
    )
    for row in rows:
        if not row.jitter:
            continue
        jitter = row.jitter
        rms = [
            _format_percent(jitter[each].rms) if each in jitter else "-"
            for each in ("blend", "nms")
        ]
        change = "-"
        if "blend" in jitter and "nms" in jitter and jitter["nms"].square:
            change = f"{PERCENT * (jitter['blend'].square / jitter['nms'].square - 1):+.0f} %"
        own = jitter[row.overlap]
        table.add_row(row.model, row.overlap, *rms, change, str(own.faces), str(own.lost))
    return table


def build_alarm_table(dataset: str, rows: "Sequence[EvaluationSummary]") -> "Table":
    """Return the false alarms in pictures without faces."""
    table = _create_table(f"{dataset}: false alarms", "pictures", "with detections", "detections")
    for row in rows:
        if row.alarms:
            counts = (row.pictures, row.alarms.pictures, row.alarms.detections)
            table.add_row(row.model, row.overlap, *map(str, counts))
    return table


def build_film_table(dataset: str, rows: "Sequence[EvaluationSummary]") -> "Table":
    """Return the jitter between successive frames."""
    table = _create_table(
        f"{dataset}: jitter between frames, % of the distance of the eyes",
        *("root of the median mean square", "pairs", "frames without a face"),
    )
    for row in rows:
        if row.film:
            counts = str(row.film.faces), str(row.film.lost)
            table.add_row(row.model, row.overlap, _format_percent(row.film.rms), *counts)
    return table


def build_document(summaries: "Sequence[EvaluationSummary]") -> dict[str, Any]:
    """Return all figures as a document of plain values; what is not a number is null."""
    return {"figures": [_to_plain(asdict(each)) for each in summaries]}


def _create_table(title: str, *numbers: str) -> "Table":
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  slow to load, and seldom needed
    from rich.table import Table  # noqa: PLC0415

    table = Table("model", "overlap", title=title, title_justify="left", box=SIMPLE_HEAD)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _format_recall(found: "RecallSummary") -> str:
    return _format_decimals(found.recall, 3)


def _format_percent(value: float) -> str:
    return _format_decimals(PERCENT * value, 2)


def _format_decimals(value: float, count: int) -> str:
    return f"{value:.{count}f}" if isfinite(value) else "-"


def _to_plain(value: Any) -> Any:  # noqa: ANN401  JSON's
    """Return a value with None for every number that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_to_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value
