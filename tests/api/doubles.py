"""Workers whose detectors are doubles: ``python doubles.py NAME FOLDER SOCKET INDEX``.

Those that are held tell of each call in a file of the folder, and wait there for another.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from phiz.classifiers import ClassificationEngine, Classifier, read_class_labels
from phiz.detectors.detector import Detector
from phiz.detectors.factory import LANDMARKS_BY_KIND
from phiz.engine import Engine
from phiz.errors import ModelCorruptError, ModelNotBuiltError
from phiz.faces import Detections, DetectOptions, Face, RoutingStep
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.models import catalog, router_config
from phiz.models.specs import ModelSpec, Precision
from phiz.system.logs import configure_logging
from phiz.timings import Stopwatch
from phiz.wire.messages import MeasuredVariant, ModelInventory
from phiz.wire.pictures import answer_annotated, answer_blur, answer_crops
from phiz.worker import answer_classification, answer_detection
from phiz.workers.loop import TaskHandler, WorkerSetup, run_worker
from phiz.workers.stderr import open_log_stream

LIMITS = DecodingLimits(max_bytes=100_000, max_pixels=50_000)
LARGE = DecodingLimits(max_bytes=10**6, max_pixels=10**6)
NAMES = ("front", "back", "full", "mtcnn", "yunet", "centerface", "auto")
PATIENCE_S = 20
HELD_S = 600
BEGUN = "begun"
MAY_END = "may-end"


def command(name: str, folder: Path | str = "") -> Sequence[str]:
    return [sys.executable, __file__, name, str(folder)]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Answers what it was given: the whole picture as a face, with the options as its score."""

    name: str

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        stopwatch.lap("preprocess")
        height, width = image.decode_full().shape
        score = 0.5 if options.min_score is None else options.min_score
        face = Face((0, 0, width, height), score, {"nose": (width / 2, height / 2)}, "front")
        stopwatch.lap("inference")
        count = min(options.max_faces, 3)
        route = (
            (RoutingStep("front", count, "first_pass", "it mirrors"),)
            if self.name == "auto"
            else ()
        )
        return Detections((face,) * count, route)


@dataclass(frozen=True, slots=True)
class Broken:
    """Fails as no detector should."""

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        raise ZeroDivisionError(f"{image} {options} {stopwatch}")


@dataclass(frozen=True, slots=True)
class Held:
    """Works until it is told to end."""

    folder: Path
    patience_s: float = PATIENCE_S

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del image, stopwatch
        with (self.folder / BEGUN).open("a") as calls:
            calls.write(f"{options.max_faces}\n")
        give_up = time.monotonic() + self.patience_s
        while not (self.folder / MAY_END).exists():
            assert time.monotonic() < give_up
            time.sleep(0.001)
        return Detections(())


@dataclass(frozen=True, slots=True)
class Dying:
    """Ends its process at a picture that is as wide as this, and mirrors others."""

    width: int

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        if image.width == self.width:
            os.kill(os.getpid(), signal.SIGKILL)
        return Mirror("back").detect(image, options, stopwatch)


@dataclass(frozen=True, slots=True)
class Rising:
    """A network that is surer of a class the later it comes."""

    def run(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        del inputs
        return {"logits": np.arange(1000, dtype=np.float32)[None]}


def classifying(limits: DecodingLimits) -> TaskHandler:
    """Classifies by one network that is there, in 8 bits if nobody says otherwise."""
    classifier = Classifier(32, Rising(), read_class_labels())

    def load(model: str, precision: Precision | None) -> ClassificationEngine:
        if model == "mobilenet":
            raise ModelNotBuiltError(f"mobilenet {precision} is not there")
        return ClassificationEngine(model, precision or "int8", classifier, limits)

    return partial(answer_classification, load)


def prepared(
    detectors: Mapping[str, Detector],
    limits: DecodingLimits = LIMITS,
    specs: tuple[ModelSpec, ...] = (),
    seconds: Mapping[str, float] | None = None,
    folder: Path = Path(),
) -> WorkerSetup:
    engine = Engine(detectors, limits)
    classifiers = catalog.load_catalog().get_models("classify")
    measured = {
        "front": MeasuredVariant("openvino", "bf16", 0.5, 0.75),
        "efficientnet": MeasuredVariant("onnxruntime", "int8", 2.5, 5.5),
        "mobilenet": MeasuredVariant("onnxruntime", "float32", 4.5, 4.5),
    }
    inventory = ModelInventory(
        specs,
        router_config.load_router_config(),
        LANDMARKS_BY_KIND,
        seconds or {},
        classifiers,
        folder,
        {"efficientnet": "int8", "mobilenet": "float32"},
        measured,
    )
    works: dict[str, TaskHandler] = {
        "detect": partial(answer_detection, engine),
        "annotate": partial(answer_annotated, engine),
        "crop": partial(answer_crops, engine),
        "blur": partial(answer_blur, engine),
        "classify": classifying(limits),
    }
    return WorkerSetup(works, inventory)


def mirrors(_folder: Path) -> WorkerSetup:
    return prepared(
        {name: Mirror(name) for name in NAMES}, specs=catalog.load_catalog().get_models("face")
    )


def lonely(_folder: Path) -> WorkerSetup:
    return prepared({"front": Mirror("front")})


def broken(_folder: Path) -> WorkerSetup:
    return prepared({name: Broken() for name in NAMES}, LARGE)


def held(folder: Path) -> WorkerSetup:
    return prepared({"back": Mirror("back"), "auto": Held(folder)}, LARGE)


def taken(folder: Path) -> WorkerSetup:
    """Held for as long as the tests of a module take."""
    return prepared({"back": Mirror("back"), "auto": Held(folder, HELD_S)}, LARGE)


def long(folder: Path) -> WorkerSetup:
    """Held, and expected to take 4 s."""
    return prepared({"auto": Held(folder)}, LARGE, seconds={"auto": 4.0})


def late(folder: Path) -> WorkerSetup:
    """Held, with the models that a page lists."""
    specs = catalog.load_catalog().get_models("face")
    return prepared({name: Held(folder) for name in NAMES}, LARGE, specs)


def unbuilt(folder: Path) -> WorkerSetup:
    return prepared({}, folder=folder)


def dying(_folder: Path) -> WorkerSetup:
    return prepared({"auto": Dying(width=13)})


def refusing(_folder: Path) -> WorkerSetup:
    raise ModelCorruptError("back.onnx is another file")


DOUBLES: Mapping[str, Callable[[Path], WorkerSetup]] = {
    double.__name__: double
    for double in (mirrors, lonely, broken, held, taken, long, late, unbuilt, dying, refusing)
}


def main(name: str, folder: str, connection: str, _index: str) -> None:
    configure_logging("text", open_log_stream())
    run_worker(socket.socket(fileno=int(connection)), lambda: DOUBLES[name](Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
