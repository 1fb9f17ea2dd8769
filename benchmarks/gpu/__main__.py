"""BlazeFace on a GPU: one call, batches, images from their bytes, and parity with the processor.

::

    python -m benchmarks.gpu --json gpu.json
    python -m benchmarks.gpu --provider CPUExecutionProvider   # to try it without a GPU

It needs the built models and no network. Times are the wall's, medians of interleaved rounds,
because a GPU works while the processor waits.
"""

import io
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import numpy as np
from PIL import Image as Pillow

from benchmarks.kit import options
from benchmarks.kit.report import build_table, print_tables, write_entry
from phiz.detectors.factory import load_detectors
from phiz.engine import Engine
from phiz.errors import PhizError
from phiz.faces import DetectOptions
from phiz.image.decode import open_image
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd
from phiz.models.catalog import get_default_folder, load_catalog, read_network
from phiz.runtime import Session
from phiz.runtime.batching import BatchingRuntime
from phiz.runtime.onnx import CPU_PROVIDER, OnnxRuntime
from phiz.worker import answer_detection
from phiz.workers.interleave import Interleaver
from phiz.workers.reader import MAX_BATCH

MODEL: Final = "front"
BATCHES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
SIZE_WH: Final = (640, 480)
SEED: Final = 1
LIMITS: Final = DecodingLimits(10**8, 10**8)
WARM_UP: Final = 3


@click.command()
@click.option("--provider", default="CUDAExecutionProvider", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=30, show_default=True)
@click.option("--models", type=options.FOLDER, help="Folder of the built models.")
@options.json_option
def main(provider: str, rounds: int, models: Path | None, document: Path | None) -> None:
    """Measure BlazeFace front on a provider beside the processor."""
    folder = models or get_default_folder()
    (spec,) = load_catalog().get_model(MODEL).networks
    model_bytes = read_network(spec, folder)
    try:
        runtime = OnnxRuntime(tuple(dict.fromkeys((provider, CPU_PROVIDER))))
        session = runtime.open(spec, model_bytes)
    except PhizError as error:
        raise click.ClickException(str(error)) from error
    reference = OnnxRuntime().open(spec, model_bytes)
    curve = measure_batches({"provider": session, "processor": reference}, rounds)
    catalog = load_catalog()
    detectors = load_detectors(catalog, folder, "half-pixel", {MODEL}, BatchingRuntime(runtime))
    rates = measure_rates(Engine(detectors, LIMITS), encode_crowd(), rounds)
    difference = compare_outputs(session, reference)
    rows = [
        [str(size), *(f"{curve[name][size] / size:.3f}" for name in curve)]
        for size in curve["provider"]
    ]
    table = build_table(["batch"], [f"{provider}, ms an image", "processor, ms an image"], rows)
    print_tables(table)
    print(
        f"images a second, one worker, {SIZE_WH[0]} × {SIZE_WH[1]} JPEG: decoding alone"
        f" {rates['decoding']:.0f}, detection one at a time {rates['single']:.0f}, in batches of"
        f" {MAX_BATCH} {rates['batches']:.0f}"
    )
    print(f"largest difference of an output to the processor's: {difference:.2e}")
    figures = {"provider": provider, "call_ms": curve, "images_per_s": rates}
    write_entry(document, "gpu", {**figures, "largest_difference": difference})


def measure_batches(sessions: Mapping[str, Session], rounds: int) -> dict[str, dict[int, float]]:
    """Return the median ms of a call by session and batch, in turns."""
    times: dict[str, dict[int, float]] = {name: {} for name in sessions}
    for size in BATCHES:
        inputs = draw_inputs(size)
        taken: dict[str, list[float]] = {name: [] for name in sessions}
        for _ in range(WARM_UP + max(3, rounds // max(1, size // 8))):
            for name, session in sessions.items():
                taken[name].append(measure_ms(partial(session.run, inputs)))
        for name, each in taken.items():
            times[name][size] = median(each[WARM_UP:])
    return times


def measure_rates(engine: Engine, image_bytes: bytes, rounds: int) -> dict[str, float]:
    """Return images a second of decoding, of detections one at a time, and in batches."""
    detect = partial(answer_detection, engine, image_bytes, 0.0, MODEL, DetectOptions())
    interleaver: Interleaver[Any] = Interleaver()

    def decode() -> None:
        (detector,) = engine.detectors.values()
        open_image(image_bytes, LIMITS).decode_scaled(1.5 * detector.spec.size)  # type: ignore[attr-defined]

    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "decoding": (1, decode),
        "single": (1, detect),
        "batches": (MAX_BATCH, lambda: interleaver.run_all([detect] * MAX_BATCH)),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(WARM_UP + rounds):
        for name, (count, way) in ways.items():
            taken[name].append(measure_ms(way) / count)
    return {name: 1000 / median(each[WARM_UP:]) for name, each in taken.items()}


def compare_outputs(session: Session, reference: Session) -> float:
    """Return the largest difference of an output, over batches of several sizes."""
    differences = [0.0]
    for size in (1, 3, 8):
        inputs = draw_inputs(size)
        outputs = session.run(inputs)
        for name, expected in reference.run(inputs).items():
            differences.append(float(np.abs(outputs[name] - expected).max()))
    return max(differences)


def draw_inputs(size: int) -> np.ndarray:
    """Return a batch of noise (N, 128, 128, 3), uint8."""
    return np.random.default_rng(SEED).integers(0, 256, (size, 128, 128, 3), np.uint8)


def encode_crowd() -> bytes:
    """Return a drawn crowd as a JPEG."""
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(*SIZE_WH, SEED)).save(file, "JPEG", quality=90)
    return file.getvalue()


def measure_ms(run: Callable[[], object]) -> float:
    """Return the wall time of a call."""
    started = time.perf_counter()
    run()
    return 1000 * (time.perf_counter() - started)


if __name__ == "__main__":
    main()
