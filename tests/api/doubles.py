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

from phiz.classifiers import Classifier, Classifiers, read_labels
from phiz.detectors.detector import Detector
from phiz.detectors.factory import LANDMARKS
from phiz.engine import Engine
from phiz.errors import ModelCorruptError
from phiz.faces import Detections, DetectOptions, Face, Step
from phiz.image.lazy import Picture
from phiz.image.limits import Limits
from phiz.models import catalog, router_config
from phiz.models.specs import Form, ModelCard
from phiz.timings import Stopwatch
from phiz.wire.messages import Measured, Stock
from phiz.worker import detect, show
from phiz.workers.loop import Prepared, Work, run

LIMITS = Limits(max_bytes=100_000, max_pixels=50_000)
LARGE = Limits(max_bytes=10**6, max_pixels=10**6)
NAMES = ("front", "back", "full", "mtcnn", "auto")
PATIENCE_S = 20
BEGUN = "begun"
MAY_END = "may-end"


def command(name: str, folder: Path | str = "") -> Sequence[str]:
    return [sys.executable, __file__, name, str(folder)]


@dataclass(frozen=True, slots=True)
class Mirror:
    """Answers what it was given: the whole picture as a face, with the options as its score."""

    name: str

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        stopwatch.lap("preprocess")
        height, width = picture.whole().shape
        score = 0.5 if options.min_score is None else options.min_score
        face = Face((0, 0, width, height), score, {"nose": (width / 2, height / 2)}, "front")
        stopwatch.lap("inference")
        count = min(options.max_faces, 3)
        route = (Step("front", count, "it mirrors"),) if self.name == "auto" else ()
        return Detections((face,) * count, route)


@dataclass(frozen=True, slots=True)
class Broken:
    """Fails as no detector should."""

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        raise ZeroDivisionError(f"{picture} {options} {stopwatch}")


@dataclass(frozen=True, slots=True)
class Held:
    """Works until it is told to end."""

    folder: Path

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del picture, stopwatch
        with (self.folder / BEGUN).open("a") as calls:
            calls.write(f"{options.max_faces}\n")
        give_up = time.monotonic() + PATIENCE_S
        while not (self.folder / MAY_END).exists():
            assert time.monotonic() < give_up
            time.sleep(0.001)
        return Detections(())


@dataclass(frozen=True, slots=True)
class Dying:
    """Ends its process at a picture that is as wide as this, and mirrors others."""

    width: int

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        if picture.width == self.width:
            os.kill(os.getpid(), signal.SIGKILL)
        return Mirror("back").detect(picture, options, stopwatch)


@dataclass(frozen=True, slots=True)
class Rising:
    """A network that is surer of a class the later it comes."""

    def run(self, inputs: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        del inputs
        return {"logits": np.arange(1000, dtype=np.float32)[None]}


def classifying(limits: Limits) -> Work:
    """Classifies by one network that is there, in 8 bits if nobody says otherwise."""
    classifier = Classifier(32, Rising(), read_labels())
    forms: tuple[Form, ...] = ("float32", "int8")
    known = Classifiers(
        {("efficientnet", form): classifier for form in forms},
        {("mobilenet", form): f"mobilenet {form} is not there" for form in forms},
        limits,
    )

    def load(_model: str, precision: Form | None) -> tuple[Classifiers, Form]:
        return known, precision or "int8"

    return partial(show, load)


def prepared(
    detectors: Mapping[str, Detector],
    limits: Limits = LIMITS,
    cards: tuple[ModelCard, ...] = (),
    seconds: Mapping[str, float] | None = None,
    folder: Path = Path(),
) -> Prepared:
    engine = Engine(detectors, limits)
    classifiers = catalog.load().group("classify")
    measured = {
        "front": Measured("openvino", "bf16", 0.5, 0.75),
        "efficientnet": Measured("onnxruntime", "int8", 2.5, 5.5),
        "mobilenet": Measured("onnxruntime", "float32", 4.5, 4.5),
    }
    stock = Stock(
        cards,
        router_config.load(),
        LANDMARKS,
        seconds or {},
        classifiers,
        folder,
        {"efficientnet": "int8", "mobilenet": "float32"},
        measured,
    )
    works: dict[str, Work] = {"detect": partial(detect, engine), "classify": classifying(limits)}
    return Prepared(works, stock)


def mirrors(_folder: Path) -> Prepared:
    return prepared({name: Mirror(name) for name in NAMES}, cards=catalog.load().group("face"))


def lonely(_folder: Path) -> Prepared:
    return prepared({"front": Mirror("front")})


def broken(_folder: Path) -> Prepared:
    return prepared({name: Broken() for name in NAMES}, LARGE)


def held(folder: Path) -> Prepared:
    return prepared({"back": Mirror("back"), "auto": Held(folder)}, LARGE)


def long(folder: Path) -> Prepared:
    """Held, and expected to take 4 s."""
    return prepared({"auto": Held(folder)}, LARGE, seconds={"auto": 4.0})


def unbuilt(folder: Path) -> Prepared:
    return prepared({}, folder=folder)


def dying(_folder: Path) -> Prepared:
    return prepared({"auto": Dying(width=13)})


def refusing(_folder: Path) -> Prepared:
    raise ModelCorruptError("back.onnx is another file")


DOUBLES: Mapping[str, Callable[[Path], Prepared]] = {
    double.__name__: double
    for double in (mirrors, lonely, broken, held, long, unbuilt, dying, refusing)
}


def main(name: str, folder: str, connection: str, _index: str) -> None:
    run(socket.socket(fileno=int(connection)), lambda: DOUBLES[name](Path(folder)))


if __name__ == "__main__":
    main(*sys.argv[1:])
