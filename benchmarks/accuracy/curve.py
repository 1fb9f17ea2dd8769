r"""Average precision over time, of all models at several sizes and of others: a table and curves.

::

    python -m benchmarks.accuracy.curve --data DIR --peers \
        --json docs/measured/curve.json --table docs/measured/curve.md \
        --picture docs/measured/curve.svg

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it. Every fourth image is used, those that the
router is not fitted to. Each goes through all entries before the next one, on one core, and another
entry is first each time, so that a machine that slows down slows all of them. Times are from the
bytes of a JPEG to the faces at the default limit, with the allocator set as in the service, which
changes those of large inputs. Average precision is of all scores.

YuNet and CenterFace never enlarge an image, so a size above an image's is that of the image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean, median, quantiles
from typing import Final

import click

from benchmarks.accuracy.curve_entries import (
    BASELINE,
    FAMILIES,
    PEER_FAMILIES,
    Entry,
    build_entries,
)
from benchmarks.accuracy.participants import Answer, AskFaces, ask_model, open_peers
from benchmarks.kit import options
from benchmarks.kit.charts import Curve, draw_plots
from benchmarks.kit.cores import pin_to_core
from benchmarks.kit.precision import compute_precision, read_held_out_labels
from benchmarks.kit.report import print_results, round_figures, write_entry
from phiz.lab.accuracy.labels import LEVELS, LabelledImage
from phiz.lab.accuracy.precision import compute_recall, judge_detections, merge_judgements
from phiz.lab.commands.progress import track_items
from phiz.lab.study.timing import rotate_order
from phiz.system.malloc import fix_malloc_thresholds

HEADINGS: Final = (
    "entry",
    *(f"AP {level}" for level in LEVELS),
    *("precision", *(f"recall {level}" for level in LEVELS)),
    *("mean ms", "median ms", "p95 ms", f"of {BASELINE}'s mean"),
)


@dataclass(frozen=True, slots=True)
class CurveRow:
    """The figures of one entry.

    Attributes:
        name: Of the entry.
        family: The curve that it is a point of.
        average_precision: By level, of all scores.
        precision: Share of the detections at the default limit that are faces.
        recall: By level, share of the faces found at the default limit.
        mean_ms: From the bytes of an image to the faces at the default limit.
        median_ms: Likewise.
        p95_ms: Likewise.
        relative: The mean over that of ``mtcnn``.
    """

    name: str
    family: str
    average_precision: Mapping[str, float]
    precision: float
    recall: Mapping[str, float]
    mean_ms: float
    median_ms: float
    p95_ms: float
    relative: float


@click.command()
@options.data_option
@options.models_option
@options.ask_peers_option
@options.pythons_option
@options.sources_option
@options.json_option
@options.table_option
@options.picture_option
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    models: Path,
    with_peers: bool,
    pythons: Sequence[str],
    sources: Path | None,
    document: Path | None,
    page: Path | None,
    picture: Path | None,
) -> None:
    """Measure average precision over time."""
    fix_malloc_thresholds()  # as the service does
    pin_to_core()
    labels = read_held_out_labels(data)
    engine, entries = build_entries(models, click.echo)
    engine.measure_step_costs()
    with open_peers(pythons, sources, wanted=with_peers) as peers:
        asked: dict[str, AskFaces] = {
            entry.name: partial(ask_model, engine, entry.model, entry.options) for entry in entries
        }
        answers = ask_interleaved(asked | peers, labels)
    entries += [Entry(name, PEER_FAMILIES[name], name) for name in peers]
    baseline_ms = fmean(answer.served_ms for answer in answers[BASELINE])
    rows = [summarise_entry(entry, answers[entry.name], labels, baseline_ms) for entry in entries]
    print_results(HEADINGS, [*map(format_row, rows)], page, "curve")
    write_entry(document, "curve", round_figures({"rows": [*map(asdict, rows)]}))
    if picture:
        picture.write_text(draw_rows(rows), "utf-8")


def ask_interleaved(
    asked: Mapping[str, AskFaces], labels: Sequence[LabelledImage]
) -> dict[str, list[Answer]]:
    """Return the answers of all to each image; those to a first one, to warm up, are dropped."""
    answers: dict[str, list[Answer]] = {name: [] for name in asked}
    for turn, label in enumerate(track_items([labels[0], *labels], "wider")):
        image_bytes = label.path.read_bytes()
        for name in rotate_order(list(asked), turn):
            answers[name].append(asked[name](image_bytes))
    return {name: found[1:] for name, found in answers.items()}


def summarise_entry(
    entry: Entry, answers: Sequence[Answer], labels: Sequence[LabelledImage], baseline_ms: float
) -> CurveRow:
    """Return the figures of one entry."""
    lowest = [answer.lowest for answer in answers]
    served = {
        level: merge_judgements(
            [
                judge_detections(*answer.served, label.faces, label.counted[level])
                for answer, label in zip(answers, labels, strict=True)
            ]
        )
        for level in LEVELS
    }
    hits = served[LEVELS[-1]].hits  # of the widest level
    times_ms = [answer.served_ms for answer in answers]
    return CurveRow(
        entry.name,
        entry.family,
        {level: compute_precision(labels, lowest, level) for level in LEVELS},
        float(hits.mean()) if len(hits) else float("nan"),
        {level: compute_recall(judgement, 0.0) for level, judgement in served.items()},
        fmean(times_ms),
        median(times_ms),
        quantiles(times_ms, n=20)[-1],
        fmean(times_ms) / baseline_ms,
    )


def format_row(row: CurveRow) -> list[str]:
    """Return a row of the table, below ``HEADINGS``."""
    shares = *row.average_precision.values(), row.precision, *row.recall.values()
    times = row.mean_ms, row.median_ms, row.p95_ms
    return [
        row.name,
        *(f"{share:.3f}" for share in shares),
        *(f"{time:.1f}" for time in times),
        f"{row.relative:.2f}",
    ]


def draw_rows(rows: Sequence[CurveRow]) -> str:
    """Return average precision over mean times as SVG, a plot for each level."""
    families = [name for name in FAMILIES if any(row.family == name for row in rows)]
    return draw_plots(
        {
            f"average precision, {level}": [
                Curve(
                    family,
                    sorted(
                        (row.mean_ms, row.average_precision[level])
                        for row in rows
                        if row.family == family
                    ),
                    *FAMILIES[family],
                )
                for family in families
            ]
            for level in LEVELS
        },
        "mean ms an image",
    )


if __name__ == "__main__":
    main()
