r"""What 8 bits save in each network and what they cost: one table.

::

    python -m benchmarks.speed.int8 --data DIR
    python -m benchmarks.speed.int8 --data DIR \
        --json docs/measured/speed.json --table docs/measured/int8.md

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it; every fourth picture is taken, none of
which the ranges were measured on. All precisions of a network take turns on one thread, in
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
from benchmarks.speed.savings import HEADINGS, SavingsRow, build_table, format_row
from phiz.convert import calibration
from phiz.convert.quantise import quantise_graph
from phiz.detectors.factory import DETECTOR_FACTORIES
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.lab.accuracy.figures import MIN_IOU, judge_predictions, mask_level
from phiz.lab.accuracy.gates import count_kept
from phiz.lab.accuracy.labels import LEVELS, PHOTOGRAPH_LIMITS, read_wider_labels
from phiz.lab.accuracy.precision import compute_average_precision
from phiz.lab.accuracy.predictions import Prediction, predict_faces, to_boxes, to_scores
from phiz.lab.timing.workloads import Inputs, make_timing_inputs
from phiz.models import catalog
from phiz.models.specs import ModelSpec, NetworkSpec
from phiz.runtime import Session
from phiz.runtime.variants import (
    REFERENCE_VARIANT,
    RUNTIME_FACTORIES,
    find_installed_variants,
    get_version,
    open_runtime,
)

TAKEN_EVERY = 4
MIN_SCORE = 0.2  # low, so that the curve of precision has its weak detections too
WARM_UP_ROUNDS = 3
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
    folder = models or catalog.get_default_folder()
    rows = [
        row
        for model in catalog.load_catalog().get_models("face")
        for row in measure_rows(model, folder, data, runs)
    ]
    Console(width=None if sys.stdout.isatty() else FILE_COLUMNS).print(build_table(rows))
    place = machine.describe_machine(None)
    versions = {name: get_version(name) for name in RUNTIME_FACTORIES if get_version(name)}
    if document:
        entry = {"machine": asdict(place), "versions": versions, "rows": [*map(asdict, rows)]}
        figures.update_json(document, {"int8": entry})
    if page:
        where = ", ".join([place.processor, *(f"{name} {each}" for name, each in versions.items())])
        figures.replace_block(
            page, "int8", f"{where}:\n\n{figures.format_table(HEADINGS, [*map(format_row, rows)])}"
        )


def measure_rows(model: ModelSpec, folder: Path, data: Path, runs: int) -> list[SavingsRow]:
    """Return the figures of each network of a model."""
    floats = {spec.name: catalog.read_network(spec, folder) for spec in model.networks}
    calibrations = calibration.load_calibrations()
    expected = predict_with_graphs(model, floats, data)
    rows = []
    for spec in model.networks:
        graph = floats[spec.name]
        quantised = quantise_graph(graph, calibration.get_ranges(spec.name, graph, calibrations))
        found = predict_with_graphs(model, {**floats, spec.name: quantised}, data)
        faces, kept = count_kept_faces(found, expected)
        row = SavingsRow(
            network=spec.name,
            float_bytes=len(graph),
            int8_bytes=len(quantised),
            median_ms=time_interleaved(
                open_sessions(spec, graph, quantised),
                make_timing_inputs(model, spec.architecture, 0),
                runs,
            ),
            float_precision=[compute_precision(expected, level) for level in LEVELS],
            int8_precision=[compute_precision(found, level) for level in LEVELS],
            faces=faces,
            kept=kept,
        )
        rows.append(row)
    return rows


def predict_with_graphs(
    model: ModelSpec, graphs: Mapping[str, bytes], data: Path
) -> list[Prediction]:
    """Return what a model of these graphs answers to the pictures."""
    runtime = open_runtime(REFERENCE_VARIANT)

    def load(spec: NetworkSpec) -> Session:
        return runtime.open(spec, graphs[spec.name])

    engine = Engine(
        {model.name: DETECTOR_FACTORIES[model.kind](model, load, "half-pixel")}, PHOTOGRAPH_LIMITS
    )
    labels = read_wider_labels(data)[::TAKEN_EVERY]
    return list(predict_faces(engine, model.name, DetectOptions(min_score=MIN_SCORE), labels))


def compute_precision(predictions: Sequence[Prediction], level: str) -> float:
    """Return the average precision at one level of WIDER FACE, 0 to 1."""
    return compute_average_precision(
        judge_predictions(predictions, partial(mask_level, level), MIN_IOU)
    )


def count_kept_faces(
    found: Sequence[Prediction], expected: Sequence[Prediction]
) -> tuple[int, int]:
    """Return how many faces float32 is sure of, and how many have a counterpart."""
    by_picture = [
        count_kept(to_boxes(ours.faces), to_boxes(theirs.faces), to_scores(theirs.faces))
        for ours, theirs in zip(found, expected, strict=True)
    ]
    return sum(faces for faces, _ in by_picture), sum(kept for _, kept in by_picture)


def open_sessions(spec: NetworkSpec, graph: bytes, quantised: bytes) -> dict[str, Session]:
    """Return sessions of both graphs in everything that can run them here."""
    opened = {}
    for variant in find_installed_variants():
        opened[str(variant)] = open_runtime(variant).open(spec, graph)
        if variant.precision == "float32":
            opened[f"{variant.runtime} int8"] = open_runtime(variant).open(spec, quantised)
    return opened


def time_interleaved(
    sessions: Mapping[str, Session], inputs: Inputs, runs: int
) -> dict[str, float]:
    """Return the median milliseconds of processor time that the inputs take each session."""
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(WARM_UP_ROUNDS + runs):
        # Another begins each round, so that the same one does not always meet what others left.
        first = turn % len(sessions)
        for name in [*sessions, *sessions][first : first + len(sessions)]:
            started = time.process_time()
            for each in inputs:
                sessions[name].run(each)
            seconds[name].append(time.process_time() - started)
    return {name: 1000 * median(taken[WARM_UP_ROUNDS:]) for name, taken in seconds.items()}


if __name__ == "__main__":
    main()
