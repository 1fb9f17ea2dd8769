r"""The time of each stage of the cascade, beside the float32 limit of its networks.

::

    python -m benchmarks.speed.cascade --data DIR
    python -m benchmarks.speed.cascade --data DIR --json docs/measured/speed.json

The limit of an image is the time that the published networks' multiplications and additions take
at the rate of a large matrix product in float32 (sgemm) on the same core. It counts everything
that float32 runs on the image, so another precision is compared with the same limit.

The product and all participants take turns at each image. Every time is the thread's own processor
time, because other processes may use the machine. The images are photographs of ``wider/`` at
1280 × 720, and the smallest face has 20 pixels.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, Final

import click
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper
from rich.table import Table

from benchmarks.kit.cores import pin_to_core
from benchmarks.kit.goals import Goal
from benchmarks.kit.options import data_option, json_option, models_option
from benchmarks.kit.report import build_goal_table, build_table, print_tables, write_entry
from benchmarks.speed.inputs import CASCADE_IMAGES, CASCADE_WH, resize_photographs
from phiz.detectors.factory import load_detectors
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.pyramid import compute_scales
from phiz.faces import DetectOptions
from phiz.image.lazy import LazyImage
from phiz.image.pixels import PackedPixels
from phiz.lab.accuracy.labels import read_annotations
from phiz.lab.study.timing import rotate_order
from phiz.models import catalog
from phiz.models.specs import Catalog
from phiz.runtime import Session
from phiz.runtime.select import choose_precisions
from phiz.system.malloc import fix_malloc_thresholds
from phiz.timings import Part, Stage, Stopwatch

MIN_FACE: Final = 20
# As the peer does, which blends nothing.
OPTIONS: Final = DetectOptions(min_face=MIN_FACE, overlap="nms")
PRODUCT_SIDE: Final = 1024
STEPS: Final = (
    *("decode", "integral", "resizing", "pnet", "proposals"),
    *("crops for rnet", "rnet", "crops for onet", "onet", "rest"),
)
PREPARATION: Final[dict[Part, str]] = {
    "pnet": "resizing",
    "rnet": "crops for rnet",
    "onet": "crops for onet",
}
LIMITS: Final = {"float32": 1.65, "default": 1.35}
WORST_LIMIT: Final = 2.2


class StepRecorder(Stopwatch):
    """A stopwatch that divides the stages further, by the network that follows."""

    __slots__ = ("_last_s", "_waiting_s", "steps")

    def __init__(self) -> None:
        """Start now."""
        super().__init__(clock=time.thread_time)
        self.steps = dict.fromkeys(STEPS, 0.0)
        self._waiting_s = 0.0
        self._last_s = time.thread_time()

    def lap(self, stage: Stage, part: Part | None = None) -> None:
        """End a stage."""
        super().lap(stage, part)
        now = time.thread_time()
        elapsed, self._last_s = now - self._last_s, now
        if stage == "preprocess":
            if self.steps["integral"]:
                self._waiting_s += elapsed
            else:
                self.steps["integral"] = elapsed
        elif part is not None:
            self.steps[part] += elapsed
            self.steps[PREPARATION[part]] += self._waiting_s
            self._waiting_s = 0.0
        elif stage == "postprocess":
            self.steps["rest" if self.steps["rnet"] else "proposals"] += elapsed
        else:
            self.steps[stage] += elapsed


@dataclass(frozen=True, slots=True)
class CountedSession:
    """A session that keeps the shapes of its inputs."""

    session: Session
    shapes: list[tuple[int, ...]]

    def run(self, inputs: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """Return the outputs by name."""
        self.shapes.append(inputs.shape)
        return self.session.run(inputs)


@dataclass(frozen=True, slots=True)
class CascadeTimes:
    """The times of a participant, s: one (rounds, images) of each step, and of the whole."""

    steps: Mapping[str, NDArray[np.float64]]
    total: NDArray[np.float64]


@click.command()
@data_option
@models_option
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@json_option
def main(data: Path, models: Path, rounds: int, document: Path | None) -> None:
    """Measure the cascade beside its limit."""
    fix_malloc_thresholds()  # as the service does
    pin_to_core()
    labels = read_annotations(data / "wider")[:CASCADE_IMAGES]
    images = [
        LazyImage.from_array(pixels).decode_full()
        for pixels in resize_photographs([label.path for label in labels], CASCADE_WH)
    ]
    known = catalog.load_catalog()
    networks = [spec for model in known.models for spec in model.networks]
    participants = {
        "float32": load_cascade(known, models),
        "default": load_cascade(known.with_precisions(choose_precisions(networks)), models),
    }
    counts = [count_operations(participants["float32"], pixels) for pixels in images]
    rates, times = measure_all(participants, images, rounds)
    limits = np.array(counts) / np.median(rates)  # (images,)
    goals = [*build_goals(limits, times)]
    print_tables(build_step_table(limits, times), build_goal_table(goals))
    print(
        f"sgemm at {np.median(rates) / 1e9:.1f} GFLOP/s, {np.median(counts) / 1e9:.2f} GFLOP"
        f" and {1000 * median(limits):.1f} ms an image"
    )
    figures = {
        "gflops": np.median(rates) / 1e9,
        "limit_ms": 1000 * median(limits),
        "steps_ms": {who: summarise_steps(each) for who, each in times.items()},
        "goals": [asdict(goal) for goal in goals],
    }
    write_entry(document, "cascade", figures)


def load_cascade(known: Catalog, models: Path) -> Mtcnn:
    """Return the cascade as it is served."""
    detector = load_detectors(known, models, "half-pixel", ["mtcnn"])["mtcnn"]
    assert isinstance(detector, Mtcnn)
    return detector


def count_operations(cascade: Mtcnn, pixels: PackedPixels) -> int:
    """Return the operations of the published networks on an image, which share no rows of tiles."""
    rnet, onet = CountedSession(cascade.rnet, []), CountedSession(cascade.onet, [])
    counted = replace(cascade, rnet=rnet, onet=onet)
    counted.detect(LazyImage.from_packed(pixels), OPTIONS, Stopwatch())
    height, width = pixels.shape
    scales = compute_scales(height, width, MIN_FACE, cascade.spec.factor)
    return (
        sum(count_pnet(int(height * scale + 1), int(width * scale + 1)) for scale in scales)
        + sum(shape[0] for shape in rnet.shapes) * RNET_OPERATIONS
        + sum(shape[0] for shape in onet.shapes) * ONET_OPERATIONS
    )


def count_pnet(height: int, width: int) -> int:
    """Return the operations of P-Net on an image."""
    first = count_layer(height - 2, width - 2, 10, 3 * 9)
    height, width = (-(-(side - 2) // 2) for side in (height, width))  # pooled, rounded up
    return (
        first
        + count_layer(height - 2, width - 2, 16, 10 * 9)
        + count_layer(height - 4, width - 4, 32, 16 * 9)
        + count_layer(height - 4, width - 4, 6, 32)
    )


def count_layer(height: int, width: int, outputs: int, inputs: int) -> int:
    """Return the multiplications and additions of a layer of so many inputs for each output."""
    return 2 * height * width * outputs * inputs


RNET_OPERATIONS: Final = (
    count_layer(22, 22, 28, 3 * 9)
    + count_layer(9, 9, 48, 28 * 9)
    + count_layer(3, 3, 64, 48 * 4)
    + count_layer(1, 1, 128, 576)
    + count_layer(1, 1, 6, 128)
)
ONET_OPERATIONS: Final = (
    count_layer(46, 46, 32, 3 * 9)
    + count_layer(21, 21, 64, 32 * 9)
    + count_layer(8, 8, 64, 64 * 9)
    + count_layer(3, 3, 128, 64 * 4)
    + count_layer(1, 1, 256, 1152)
    + count_layer(1, 1, 16, 256)
)


def measure_all(
    participants: Mapping[str, Mtcnn], images: Sequence[PackedPixels], rounds: int
) -> tuple[list[float], dict[str, CascadeTimes]]:
    """Return the rates of the product, operations a second, and the times by participant.

    A first round does not count.
    """
    product = open_product()
    factor = np.random.default_rng(0).random((PRODUCT_SIDE, PRODUCT_SIDE), np.float32)
    rates: list[float] = []
    steps: dict[str, list[dict[str, float]]] = {who: [] for who in participants}
    for turn in range(1 + rounds):
        for number, pixels in enumerate(images):
            started = time.thread_time()
            product.run(None, {"a": factor, "b": factor})
            rates.append(2 * PRODUCT_SIDE**3 / (time.thread_time() - started))
            for who in rotate_order(list(participants), turn + number):
                recorder = StepRecorder()
                participants[who].detect(LazyImage.from_packed(pixels), OPTIONS, recorder)
                steps[who].append(recorder.steps)
    skipped = len(images)
    times = {
        who: CascadeTimes(
            {
                name: np.reshape([run[name] for run in runs[skipped:]], (rounds, -1))
                for name in STEPS
            },
            np.reshape([sum(run.values()) for run in runs[skipped:]], (rounds, -1)),
        )
        for who, runs in steps.items()
    }
    return rates[skipped:], times


def open_product() -> ort.InferenceSession:
    """Return a matrix product on the calling thread."""
    shape = [PRODUCT_SIDE, PRODUCT_SIDE]
    a, b, c = (helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "abc")
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "sgemm", [a, b], [c])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(model.SerializeToString(), options)


def build_goals(limits: NDArray[np.float64], times: Mapping[str, CascadeTimes]) -> Sequence[Goal]:
    """Return the figures of each participant, and what they should be."""
    goals = []
    limit_ms = 1000 * float(np.median(limits))
    for who, each in times.items():
        by_image = np.median(each.total, axis=0)  # (images,)
        typical, worst = 1000 * float(np.median(by_image)), 1000 * float(by_image.max())
        rounds = [1000 * float(np.median(turn)) / limit_ms for turn in each.total]
        goals += [
            Goal(
                f"mtcnn, {who}", typical / limit_ms, "≤", LIMITS[who], rounds,
                "ratio", "float32 limit", typical, limit_ms, "processor",
            ),
            Goal(
                f"mtcnn, {who}, worst image", worst / typical, "≤", WORST_LIMIT, (),
                "ratio", "its own median", worst, typical, "processor",
            ),
        ]  # fmt: skip
    return goals


def summarise_steps(times: CascadeTimes) -> dict[str, float]:
    """Return the mean over the images of each step's median over the rounds, ms."""
    return {
        name: 1000 * float(np.median(each, axis=0).mean()) for name, each in times.steps.items()
    }


def build_step_table(limits: NDArray[np.float64], times: Mapping[str, CascadeTimes]) -> Table:
    """Return a row for each step: mean ms of an image, and its share."""
    rows = []
    means = {who: summarise_steps(each) for who, each in times.items()}
    totals = {who: sum(each.values()) for who, each in means.items()}
    for name in STEPS:
        row = [name]
        for who, each in means.items():
            row += [f"{each[name]:.2f}", f"{100 * each[name] / totals[who]:.0f} %"]
        rows.append(row)
    rows.append(["mean", *(text for who in means for text in (f"{totals[who]:.1f}", ""))])
    rows.append(["mean limit", f"{1000 * limits.mean():.1f}"])
    return build_table(["step"], [text for who in means for text in (f"{who}, ms", "share")], rows)


if __name__ == "__main__":
    main()
