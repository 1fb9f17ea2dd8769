r"""Time that 8 bits save in each network, and accuracy that they cost: one table.

::

    python -m benchmarks.speed.int8 --data DIR
    python -m benchmarks.speed.int8 --data DIR \
        --json docs/measured/speed.json --table docs/measured/int8.md

``DIR`` has ``wider/``, as ``phiz evaluate`` reads it. Every fourth image is used; the ranges were
measured on others. All precisions of a network take turns on one thread, in onnxruntime and, where
it is installed, in OpenVINO. Times are medians of processor time, because other processes may use
the machine. The accuracy of a model is measured with one of its networks in 8 bits and the others
in float32, in onnxruntime.

The gate is that of ``phiz bench``, except that a model may have fewer sure faces in so few images.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click

from benchmarks.kit import precision
from benchmarks.kit.options import data_option, json_option, models_option, table_option
from benchmarks.kit.report import print_results, write_entry
from phiz.convert import calibration
from phiz.convert.quantise import quantise_graph
from phiz.detectors.factory import DETECTOR_FACTORIES
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.lab.accuracy.gates import LEAST_KEPT, MAX_PRECISION_LOSS, count_kept
from phiz.lab.accuracy.labels import LEVELS, PHOTOGRAPH_LIMITS, LabelledImage
from phiz.lab.study.timing import rotate_order
from phiz.lab.study.workloads import Inputs, make_timing_inputs
from phiz.models import catalog
from phiz.models.specs import ModelSpec, NetworkSpec
from phiz.runtime import Session
from phiz.runtime.profile import get_processor_name
from phiz.runtime.variants import (
    REFERENCE_VARIANT,
    RUNTIME_FACTORIES,
    RuntimeName,
    find_installed_variants,
    get_version,
    open_runtime,
)

MIN_SCORE = 0.2  # low, so that the precision has weak detections too
WARM_UP_ROUNDS = 3
BF16 = "openvino bf16"
HEADINGS = (
    *("network", "kB", "onnxruntime", "OpenVINO", "its bfloat16"),
    *("AP float32", "AP int8", "kept", "gate"),
)


@dataclass(frozen=True, slots=True)
class SavingsRow:
    """The figures of one network.

    Times are by runtime and precision. Average precision is of its model at each of ``LEVELS``.
    ``faces`` is the number of sure faces in float32, and ``kept`` have a counterpart in 8 bits.
    """

    network: str
    float_bytes: int
    int8_bytes: int
    median_ms: dict[str, float]
    float_precision: list[float]
    int8_precision: list[float]
    faces: int
    kept: int

    @property
    def passes(self) -> bool:
        """Whether 8 bits keep within the gate."""
        pairs = zip(self.float_precision, self.int8_precision, strict=True)
        loses_little = all(before - after <= MAX_PRECISION_LOSS for before, after in pairs)
        return loses_little and self.kept >= LEAST_KEPT * self.faces


@click.command()
@data_option
@models_option
@click.option("--runs", type=click.IntRange(1), default=60, show_default=True, help="Rounds.")
@json_option
@table_option
def main(data: Path, models: Path, runs: int, document: Path | None, page: Path | None) -> None:
    """Measure every face network in float32 and in 8 bits."""
    labels = precision.read_held_out_labels(data)
    rows = [
        row
        for model in catalog.load_catalog().get_models("face")
        for row in measure_rows(model, models, labels, runs)
    ]
    versions = {name: get_version(name) for name in RUNTIME_FACTORIES if get_version(name)}
    where = [get_processor_name(), *(f"{name} {each}" for name, each in versions.items())]
    print_results(HEADINGS, [*map(format_row, rows)], page, "int8", f"{', '.join(where)}:\n\n")
    write_entry(document, "int8", {"versions": versions, "rows": [*map(asdict, rows)]})


def measure_rows(
    model: ModelSpec, folder: Path, labels: Sequence[LabelledImage], runs: int
) -> list[SavingsRow]:
    """Return the figures of each network of a model."""
    floats = {spec.name: catalog.read_network(spec, folder) for spec in model.networks}
    calibrations = calibration.load_calibrations()
    expected = detect_with_graphs(model, floats, labels)
    rows = []
    for spec in model.networks:
        graph = floats[spec.name]
        quantised = quantise_graph(graph, calibration.get_ranges(spec.name, graph, calibrations))
        found = detect_with_graphs(model, {**floats, spec.name: quantised}, labels)
        counts = [
            count_kept(boxes, *theirs) for (boxes, _), theirs in zip(found, expected, strict=True)
        ]
        sessions = open_sessions(spec, graph, quantised)
        inputs = make_timing_inputs(model, spec.architecture, 0)
        row = SavingsRow(
            network=spec.name,
            float_bytes=len(graph),
            int8_bytes=len(quantised),
            median_ms=time_interleaved(sessions, inputs, runs),
            float_precision=[
                precision.compute_precision(labels, expected, level) for level in LEVELS
            ],
            int8_precision=[precision.compute_precision(labels, found, level) for level in LEVELS],
            faces=sum(faces for faces, _ in counts),
            kept=sum(kept for _, kept in counts),
        )
        rows.append(row)
    return rows


def detect_with_graphs(
    model: ModelSpec, graphs: Mapping[str, bytes], labels: Sequence[LabelledImage]
) -> list[precision.Detected]:
    """Return the faces that a model of these graphs finds in the images."""
    runtime = open_runtime(REFERENCE_VARIANT)
    detector = DETECTOR_FACTORIES[model.kind](
        model, lambda spec: runtime.open(spec, graphs[spec.name]), "half-pixel"
    )
    engine = Engine({model.name: detector}, PHOTOGRAPH_LIMITS)
    return precision.detect_faces(engine, model.name, DetectOptions(min_score=MIN_SCORE), labels)


def open_sessions(spec: NetworkSpec, graph: bytes, quantised: bytes) -> dict[str, Session]:
    """Return sessions of both graphs in every runtime that can run them here."""
    opened = {}
    for variant in find_installed_variants():
        opened[str(variant)] = open_runtime(variant).open(spec, graph)
        if variant.precision == "float32":
            opened[f"{variant.runtime} int8"] = open_runtime(variant).open(spec, quantised)
    return opened


def time_interleaved(
    sessions: Mapping[str, Session], inputs: Inputs, runs: int
) -> dict[str, float]:
    """Return the median processor time of each session for all inputs, ms."""
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for turn in range(WARM_UP_ROUNDS + runs):
        for name in rotate_order(list(sessions), turn):
            started = time.process_time()
            for each in inputs:
                sessions[name].run(each)
            seconds[name].append(time.process_time() - started)
    return {name: 1000 * median(taken[WARM_UP_ROUNDS:]) for name, taken in seconds.items()}


def format_row(row: SavingsRow) -> list[str]:
    """Return a row of the table, below ``HEADINGS``."""
    return [
        f"`{row.network}`",
        f"{row.float_bytes / 1000:.0f} → {row.int8_bytes / 1000:.0f}",
        *(_format_change(row, runtime) for runtime in RUNTIME_FACTORIES),
        f"{row.median_ms[BF16]:.2f}" if BF16 in row.median_ms else "-",
        " / ".join(f"{area:.3f}" for area in row.float_precision),
        " / ".join(f"{area:.3f}" for area in row.int8_precision),
        f"{row.kept} of {row.faces}",
        "passes" if row.passes else "fails",
    ]


def _format_change(row: SavingsRow, runtime: RuntimeName) -> str:
    """Return a runtime's time in float32, in 8 bits, and the ratio."""
    if f"{runtime} int8" not in row.median_ms:
        return "-"
    before, after = (row.median_ms[f"{runtime} {precision}"] for precision in ("float32", "int8"))
    return f"{before:.2f} → {after:.2f} ({after / before:.2f})"


if __name__ == "__main__":
    main()
