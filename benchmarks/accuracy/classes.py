"""What the classifiers get right, and what 8 bits change and save: one table.

::

    python -m benchmarks.accuracy.classes --data DIR

``DIR`` has ``photos/`` (``phiz.lab.accuracy.photos``); the photographs that the ranges of 8 bits
were measured on are left out. Both precisions of a network take turns in onnxruntime, on one
thread; times are medians of the network alone, the shares are of bytes to classes. A ratio is the
median of the ratios of single turns: other programs slow down both runs of a turn alike.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click
import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table

from phiz.classifiers import (
    CLASSIFIER_PRECISIONS,
    ClassificationEngine,
    build_classification_engine,
)
from phiz.image.limits import DecodingLimits
from phiz.lab.accuracy.photos import TEST_PART, Photo, read_photos
from phiz.models import catalog
from phiz.models.specs import ModelSpec, Precision
from phiz.runtime.onnx import OnnxRuntime
from phiz.timings import Stopwatch

FILE_COLUMNS: Final = 120  # of the table where there is no terminal to ask
LIMITS: Final = DecodingLimits(max_bytes=50_000_000, max_pixels=100_000_000)
TOP: Final = 5
WARM_UP: Final = 5
HEADINGS: Final = (
    "model",
    "precision",
    "kB",
    "top-1",
    f"top-{TOP}",
    "agree",
    "median ms",
    "ratio",
)


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--models", type=click.Path(path_type=Path), help="Folder of the built models.")
@click.option("--runs", type=click.IntRange(1), default=100, show_default=True)
def main(data: Path, models: Path | None, runs: int) -> None:
    """Measure every classifier in float32 and in 8 bits."""
    folder = models or catalog.get_default_folder()
    photos = read_photos(data, TEST_PART)
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for model in catalog.load_catalog().get_models("classify"):
        for row in measure_rows(model, folder, photos, runs):
            table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else FILE_COLUMNS).print(table)


def measure_rows(
    model: ModelSpec, folder: Path, photos: Sequence[Photo], runs: int
) -> list[list[str]]:
    """Return the rows of a model: one for each precision."""
    classifiers = build_classification_engine(catalog.load_catalog(), folder, LIMITS)
    truth = np.array([photo.class_index for photo in photos])  # (N,)
    answers = {
        precision: classify_photos(classifiers, model.name, precision, photos)
        for precision in CLASSIFIER_PRECISIONS
    }
    times = time_interleaved(model, folder, runs)
    rows = []
    for precision, found in answers.items():
        (spec,) = model.with_precision(precision).networks
        agree = int((found[:, 0] == answers["float32"][:, 0]).sum())
        rows.append(
            [
                model.name,
                precision,
                f"{spec.size_bytes / 1000:.0f}",
                f"{np.mean(found[:, 0] == truth):.2f}",
                f"{np.mean((found == truth[:, None]).any(axis=1)):.2f}",
                f"{agree} of {len(photos)}",
                f"{np.median(times[precision]):.2f}",
                f"{np.median(times['float32'] / times[precision]):.2f}",
            ]
        )
    return rows


def classify_photos(
    classifiers: ClassificationEngine, model: str, precision: Precision, photos: Sequence[Photo]
) -> NDArray[np.intp]:
    """Return the best classes (N, TOP) of the photographs."""
    found = []
    for photo in photos:
        answer = classifiers.classify(photo.path.read_bytes(), model, precision, TOP, Stopwatch())
        found.append([each.index for each in answer.classes])
    return np.array(found)


def time_interleaved(
    model: ModelSpec, folder: Path, runs: int
) -> dict[Precision, NDArray[np.float64]]:
    """Return the milliseconds (runs,) that one inference of each precision takes in each turn."""
    assert model.input_size is not None, "the catalogue gives every classifier its input size"
    shape = (1, model.input_size, model.input_size, 3)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    runtime = OnnxRuntime()
    sessions = {}
    for precision in CLASSIFIER_PRECISIONS:
        (spec,) = model.with_precision(precision).networks
        sessions[precision] = runtime.open(spec, catalog.read_network(spec, folder))
    seconds: dict[Precision, list[float]] = {precision: [] for precision in CLASSIFIER_PRECISIONS}
    for _ in range(WARM_UP + runs):
        for precision, session in sessions.items():
            started = time.perf_counter()
            session.run(noise)
            seconds[precision].append(time.perf_counter() - started)
    return {precision: 1000 * np.array(taken[WARM_UP:]) for precision, taken in seconds.items()}


if __name__ == "__main__":
    main()
