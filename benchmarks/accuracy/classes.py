"""What the classifiers get right, and what 8 bits change and save: one table.

::

    python -m benchmarks.accuracy.classes --data DIR

``DIR`` has ``photos/`` (``phiz.lab.accuracy.photos``); the photographs that the ranges of 8 bits
were measured on are left out. Both forms of a network take turns in onnxruntime, on one thread;
times are medians of the network alone, the shares are of bytes to classes. A ratio is the median of
the ratios of single turns: other programs slow down both runs of a turn alike.
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

from phiz.classifiers import FORMS, Classifiers, load
from phiz.image.limits import Limits
from phiz.lab.accuracy.photos import JUDGED, Photo, read_photos
from phiz.models import catalog
from phiz.models.specs import Form, ModelCard
from phiz.runtime.onnx import OnnxRuntime
from phiz.timings import Stopwatch

FILE_COLUMNS: Final = 120  # of the table where there is no terminal to ask
LIMITS: Final = Limits(max_bytes=50_000_000, max_pixels=100_000_000)
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
    folder = models or catalog.default_folder()
    judged = read_photos(data, JUDGED)
    table = Table(*HEADINGS, box=box.SIMPLE_HEAD)
    for model in catalog.load().group("classify"):
        for row in measure(model, folder, judged, runs):
            table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else FILE_COLUMNS).print(table)


def measure(model: ModelCard, folder: Path, judged: Sequence[Photo], runs: int) -> list[list[str]]:
    """Return the rows of a model: one for each form."""
    classifiers = load(catalog.load(), folder, LIMITS)
    truth = np.array([photo.class_index for photo in judged])  # (N,)
    answers = {form: indices(classifiers, model.name, form, judged) for form in FORMS}
    times = take_turns(model, folder, runs)
    rows = []
    for form, found in answers.items():
        (card,) = model.in_form(form).networks
        agree = int((found[:, 0] == answers["float32"][:, 0]).sum())
        rows.append(
            [
                model.name,
                form,
                f"{card.size_bytes / 1000:.0f}",
                f"{np.mean(found[:, 0] == truth):.2f}",
                f"{np.mean((found == truth[:, None]).any(axis=1)):.2f}",
                f"{agree} of {len(judged)}",
                f"{np.median(times[form]):.2f}",
                f"{np.median(times['float32'] / times[form]):.2f}",
            ]
        )
    return rows


def indices(
    classifiers: Classifiers, model: str, form: Form, judged: Sequence[Photo]
) -> NDArray[np.intp]:
    """Return the best classes (N, TOP) of the photographs."""
    found = []
    for photo in judged:
        answer = classifiers.classify(photo.path.read_bytes(), model, form, TOP, Stopwatch())
        found.append([each.index for each in answer.classes])
    return np.array(found)


def take_turns(model: ModelCard, folder: Path, runs: int) -> dict[Form, NDArray[np.float64]]:
    """Return the milliseconds (runs,) that one inference of each form takes in each turn."""
    assert model.input_size is not None, "the catalogue gives every classifier its input size"
    shape = (1, model.input_size, model.input_size, 3)
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    runtime = OnnxRuntime()
    sessions = {}
    for form in FORMS:
        (card,) = model.in_form(form).networks
        sessions[form] = runtime.open(card, catalog.read_network(card, folder))
    seconds: dict[Form, list[float]] = {form: [] for form in FORMS}
    for _ in range(WARM_UP + runs):
        for form, session in sessions.items():
            started = time.perf_counter()
            session.run(picture)
            seconds[form].append(time.perf_counter() - started)
    return {form: 1000 * np.array(taken[WARM_UP:]) for form, taken in seconds.items()}


if __name__ == "__main__":
    main()
