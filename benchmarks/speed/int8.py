r"""What 8 bits save in each network and what they cost: one table.

::

    python -m benchmarks.speed.int8 --data DIR
    python -m benchmarks.speed.int8 --data DIR \
        --json docs/measured/speed.json --table docs/measured/int8.md

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it; every fourth picture is taken, none of
which the ranges were measured on. All forms of a network take turns on one thread, in
onnxruntime and, where it is installed, in OpenVINO. Times are medians of processor time, as a
run on one thread would take on a core of its own, because others may be at work on the same
machine. A model is judged with one of its networks in 8 bits and the others in float32, in
onnxruntime.

The gate is that of ``phiz bench``, except that a model may have fewer sure faces in so few
pictures.
"""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

import click
from rich.console import Console

from benchmarks.kit import figures, machine
from benchmarks.speed.savings import HEADINGS, Row, cells, table
from phiz.convert import calibration
from phiz.convert.quantise import quantise
from phiz.detectors.factory import KINDS
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.lab.accuracy.figures import MIN_IOU, at_level, judged
from phiz.lab.accuracy.gates import count_kept
from phiz.lab.accuracy.labels import LEVELS, LIMITS, read_labels
from phiz.lab.accuracy.precision import average_precision
from phiz.lab.accuracy.predictions import Observation, boxes_of, observe, scores_of
from phiz.lab.timing.workloads import Inputs, timing_inputs
from phiz.models import catalog
from phiz.models.specs import ModelCard, NetworkCard
from phiz.runtime import Session
from phiz.runtime.variants import (
    REFERENCE,
    RUNTIMES,
    installed_variants,
    open_runtime,
    version_of,
)

EVERY = 4
MIN_SCORE = 0.2  # low, so that the curve of precision has its weak detections too
WARM_UP = 3
FILE_COLUMNS = 120  # of the table where there is no terminal to ask


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--models", type=click.Path(path_type=Path), help="Folder of the built models.")
@click.option("--runs", type=click.IntRange(1), default=60, show_default=True, help="Rounds.")
@click.option(
    "--json",
    "document",
    type=click.Path(path_type=Path),
    help="File for the figures, as its entry int8; what other benchmarks wrote into it stays.",
)
@click.option(
    "--table",
    "page",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Markdown with the last table, which is replaced.",
)
def main(
    data: Path, models: Path | None, runs: int, document: Path | None, page: Path | None
) -> None:
    """Measure every face network in float32 and in 8 bits."""
    folder = models or catalog.default_folder()
    rows = [
        row for model in catalog.load().group("face") for row in measure(model, folder, data, runs)
    ]
    Console(width=None if sys.stdout.isatty() else FILE_COLUMNS).print(table(rows))
    place = machine.describe(None)
    versions = {name: version_of(name) for name in RUNTIMES if version_of(name)}
    if document:
        entry = {"machine": asdict(place), "versions": versions, "rows": [*map(asdict, rows)]}
        figures.keep(document, {"int8": entry})
    if page:
        where = ", ".join([place.processor, *(f"{name} {each}" for name, each in versions.items())])
        figures.put(page, "int8", f"{where}:\n\n{figures.table(HEADINGS, [*map(cells, rows)])}")


def measure(model: ModelCard, folder: Path, data: Path, runs: int) -> list[Row]:
    """Return the figures of each network of a model."""
    floats = {card.name: catalog.read_network(card, folder) for card in model.networks}
    calibrations = calibration.load()
    expected = answers(model, floats, data)
    rows = []
    for card in model.networks:
        graph = floats[card.name]
        rounded = quantise(graph, calibration.ranges_of(card.name, graph, calibrations))
        found = answers(model, {**floats, card.name: rounded}, data)
        faces, kept = counts(found, expected)
        row = Row(
            network=card.name,
            float_bytes=len(graph),
            int8_bytes=len(rounded),
            median_ms=take_turns(
                sessions(card, graph, rounded), timing_inputs(model, card.architecture, 0), runs
            ),
            float_precision=[precision(expected, level) for level in LEVELS],
            int8_precision=[precision(found, level) for level in LEVELS],
            faces=faces,
            kept=kept,
        )
        rows.append(row)
    return rows


def answers(model: ModelCard, graphs: Mapping[str, bytes], data: Path) -> list[Observation]:
    """Return what a model of these graphs answers to the pictures."""
    runtime = open_runtime(REFERENCE)

    def load(card: NetworkCard) -> Session:
        return runtime.open(card, graphs[card.name])

    engine = Engine({model.name: KINDS[model.kind](model, load, "half-pixel")}, LIMITS)
    labels = read_labels(data)[::EVERY]
    return list(observe(engine, model.name, DetectOptions(min_score=MIN_SCORE), labels))


def precision(observations: Sequence[Observation], level: str) -> float:
    """Return the average precision at one level of WIDER FACE, 0 to 1."""
    return average_precision(judged(observations, partial(at_level, level), MIN_IOU))


def counts(found: Sequence[Observation], expected: Sequence[Observation]) -> tuple[int, int]:
    """Return how many faces float32 is sure of, and how many have a counterpart."""
    by_picture = [
        count_kept(boxes_of(ours.faces), boxes_of(theirs.faces), scores_of(theirs.faces))
        for ours, theirs in zip(found, expected, strict=True)
    ]
    return sum(faces for faces, _ in by_picture), sum(kept for _, kept in by_picture)


def sessions(card: NetworkCard, graph: bytes, rounded: bytes) -> dict[str, Session]:
    """Return sessions of both graphs in everything that can run them here."""
    opened = {}
    for variant in installed_variants():
        opened[str(variant)] = open_runtime(variant).open(card, graph)
        if variant.precision == "float32":
            opened[f"{variant.runtime} int8"] = open_runtime(variant).open(card, rounded)
    return opened


def take_turns(ways: Mapping[str, Session], inputs: Inputs, runs: int) -> dict[str, float]:
    """Return the median milliseconds of processor time that the inputs take each session."""
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(WARM_UP + runs):
        # Another begins each round, so that the same one does not always meet what others left.
        first = turn % len(ways)
        for way in [*ways, *ways][first : first + len(ways)]:
            started = time.process_time()
            for each in inputs:
                ways[way].run(each)
            seconds[way].append(time.process_time() - started)
    return {way: 1000 * median(taken[WARM_UP:]) for way, taken in seconds.items()}


if __name__ == "__main__":
    main()
