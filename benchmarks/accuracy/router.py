r"""Precision and time of the router, beside the cascade alone: a table, JSON and curves.

::

    python -m benchmarks.accuracy.router --data DIR \
        --json docs/measured/router.json --curve docs/measured/router.svg

``DIR`` has folders as ``phiz evaluate`` reads them. Every fourth image of ``wider/`` is used, those
that ``confidences.py`` does not fit to. Each is decoded and searched under every setting before
the next one, so that a machine that slows down slows all of them. Images of ``nofaces/`` are for
the share of them with a detection at the default limit.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, median, quantiles

import click

from benchmarks.kit import precision
from benchmarks.kit.charts import Curve, draw_curves
from benchmarks.kit.options import NEW_FILE, data_option, models_option
from benchmarks.kit.report import build_table, print_tables
from phiz.engine import Engine, build_engine
from phiz.faces import DetectOptions
from phiz.lab.accuracy.labels import LEVELS, PHOTOGRAPH_LIMITS, read_annotations
from phiz.lab.accuracy.predictions import to_boxes, to_scores
from phiz.lab.commands.progress import track_items
from phiz.system.malloc import fix_malloc_thresholds
from phiz.timings import Stopwatch

BASELINE = "mtcnn"
ALL_SCORES = 0.02  # score limit for the whole precision-recall curve
BUDGETS_MS = (5.0, 10.0, 20.0, 50.0, 100.0)
MIN_FACES = (20.0, 28.0, 40.0, 56.0, 80.0)


@dataclass(frozen=True, slots=True)
class Setting:
    """One way to ask for faces."""

    name: str
    model: str
    options: DetectOptions


@dataclass(frozen=True, slots=True)
class SettingRow:
    """The figures of one setting.

    Times are of bytes to faces, ``relative`` to the cascade's mean. ``precision`` is by level.
    ``alarms`` is the share of images without faces that have a detection; None if not measured.
    """

    name: str
    model: str
    budget_ms: float | None
    precision: dict[str, float]
    mean_ms: float
    median_ms: float
    p95_ms: float
    relative: float
    alarms: float | None


SETTINGS = (
    Setting(BASELINE, "mtcnn", DetectOptions(overlap="nms")),
    Setting("mtcnn, blended", "mtcnn", DetectOptions()),
    Setting("yunet", "yunet", DetectOptions(min_score=0.05)),
    Setting("centerface", "centerface", DetectOptions(min_score=0.05)),
    Setting("auto", "auto", DetectOptions()),
    Setting("auto, all scores", "auto", DetectOptions(min_score=ALL_SCORES)),
    *(
        Setting(
            f"auto, {budget:g} ms", "auto", DetectOptions(min_score=ALL_SCORES, budget_ms=budget)
        )
        for budget in BUDGETS_MS
    ),
    *(
        Setting(f"mtcnn from {side:g} px", "mtcnn", DetectOptions(min_score=0.05, min_face=side))
        for side in MIN_FACES
    ),
)


@click.command()
@data_option
@models_option
@click.option("--json", "target", type=NEW_FILE, help="File for the figures.")
@click.option("--curve", type=NEW_FILE, help="File for precision over time, as SVG.")
def main(data: Path, models: Path, target: Path | None, curve: Path | None) -> None:
    """Measure the router beside the cascade on annotated images."""
    fix_malloc_thresholds()  # as the service does; large inputs take longer otherwise
    loaded = build_engine(
        models, "half-pixel", PHOTOGRAPH_LIMITS, {"mtcnn", "yunet", "centerface", "auto"}
    )
    loaded.measure_step_costs()
    rows = measure_settings(loaded, data)
    headings = (*LEVELS, "mean ms", "median ms", "p95 ms", "relative", "alarms")
    print_tables(build_table(["setting"], headings, map(format_row, rows)))
    if target:
        target.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    if curve:
        curve.write_text(draw_precision(rows))


def measure_settings(loaded: Engine, data: Path) -> list[SettingRow]:
    """Return the figures of every setting."""
    labels = precision.read_held_out_labels(data)
    by_name = {setting.name: setting for setting in SETTINGS}
    found: dict[str, list[precision.Detected]] = {name: [] for name in by_name}
    seconds: dict[str, list[float]] = {name: [] for name in by_name}
    for label in track_items(labels, "wider"):
        image_bytes = label.path.read_bytes()
        for name, setting in by_name.items():
            stopwatch = Stopwatch()
            result = loaded.detect(image_bytes, setting.model, setting.options, stopwatch)
            found[name].append((to_boxes(result.faces), to_scores(result.faces)))
            seconds[name].append(stopwatch.to_timings().total_s)
    baseline = fmean(seconds[BASELINE])
    return [
        SettingRow(
            name,
            setting.model,
            setting.options.budget_ms,
            {level: precision.compute_precision(labels, found[name], level) for level in LEVELS},
            1000 * fmean(seconds[name]),
            1000 * median(seconds[name]),
            1000 * quantiles(seconds[name], n=20)[-1],
            fmean(seconds[name]) / baseline,
            compute_alarms(loaded, setting, data / "nofaces")
            if setting.options == DetectOptions()
            else None,
        )
        for name, setting in by_name.items()
    ]


def compute_alarms(loaded: Engine, setting: Setting, folder: Path) -> float:
    """Return the share of images without faces in which something is found."""
    found = precision.detect_faces(loaded, setting.model, setting.options, read_annotations(folder))
    return fmean(len(boxes) > 0 for boxes, _ in found)


def format_row(row: SettingRow) -> list[str]:
    """Return a row of the table."""
    return [
        row.name,
        *(f"{row.precision[level]:.3f}" for level in LEVELS),
        *(f"{value:.1f}" for value in (row.mean_ms, row.median_ms, row.p95_ms)),
        f"{row.relative:.2f}",
        "" if row.alarms is None else f"{100 * row.alarms:.1f} %",
    ]


def draw_precision(rows: Sequence[SettingRow]) -> str:
    """Return precision over time as SVG: the router by its budget, the cascade by its min_face."""
    curves = []
    for colour, level in enumerate(LEVELS):
        for model in ("auto", "mtcnn"):
            points = sorted(
                (each.mean_ms, each.precision[level])
                for each in rows
                if each.model == model and each.name not in {"auto", BASELINE}
            )
            curves.append(Curve(f"{model}, {level}", points, colour, dashed=model == BASELINE))
    return draw_curves(curves, "ms a picture", "average precision")


if __name__ == "__main__":
    main()
