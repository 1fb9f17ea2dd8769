"""The process of a worker: ``python -m phiz.worker SOCKET INDEX``, started by the service."""

import io
import logging
import math
import socket
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import TypeAlias

from PIL import Image as Pillow

from phiz.classifiers import ClassificationEngine
from phiz.detectors.detector import Detector
from phiz.detectors.factory import LANDMARKS_BY_KIND
from phiz.engine import Engine
from phiz.errors import ModelError, ModelNotBuiltError
from phiz.faces import DetectOptions
from phiz.image.decode import open_image
from phiz.image.formats import sniff_format
from phiz.image.jpeg import read_jpeg_size
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd
from phiz.loading import (
    find_models_folder,
    get_default_precision,
    load_classifier,
    load_engine,
    load_measurements,
)
from phiz.models import router_config
from phiz.models.specs import BATCHABLE_MODELS, Precision
from phiz.settings import Settings, load_settings
from phiz.system.logs import configure_logging
from phiz.system.malloc import trim_heap
from phiz.timings import Stopwatch
from phiz.wire.encode import encode_answer, encode_classification, encode_result
from phiz.wire.messages import WARM_UP_SIZE_WH, EncodedAnswer, ModelInventory
from phiz.wire.pictures import answer_annotated, answer_blur, answer_crops
from phiz.workers.interleave import is_interleaved, yield_turn
from phiz.workers.loop import WorkerSetup, run_worker
from phiz.workers.protocol import WorkRequest
from phiz.workers.stderr import open_log_stream

MAX_BATCHABLE_PIXELS = 4_000_000
WARM_UP_SEED = 1  # mtcnn finds 18 faces in this one

_log = logging.getLogger(__name__)


ClassifierLoader: TypeAlias = Callable[[str, Precision | None], ClassificationEngine]
"""Loads the classifier of a name, in a precision or in the recommended one."""


def set_up_worker() -> WorkerSetup:
    """Return the handlers of this worker, loaded and warm, and the inventory of its models.

    The costs for time budgets are measured after the start, which would otherwise take a tenth of
    a second longer. The first caller with a budget does not wait for them.

    Raises:
        SettingError: The runtime is not available.
        ModelError: A model file is missing or differs from the catalogue.
    """
    settings = load_settings()
    engine, models = load_engine(settings, warn=_log.warning)
    seconds = warm_up_engine(engine)
    trim_heap()  # opening the models leaves 6 MB free between live blocks
    classifiers = models.get_models("classify")
    inventory = ModelInventory(
        models.get_models("face"),
        router_config.load_router_config(),
        LANDMARKS_BY_KIND,
        seconds,
        classifiers,
        find_models_folder(settings),
        {spec.name: get_default_precision(settings, spec.name) for spec in classifiers},
        load_measurements(settings),
    )
    load = make_classifier_loader(settings)
    handlers = {
        "detect": partial(answer_detection, engine),
        "annotate": partial(answer_annotated, engine),
        "crop": partial(answer_crops, engine),
        "blur": partial(answer_blur, engine),
        "classify": partial(answer_classification, load),
    }
    loaders = {"classify": lambda model, precision, _top: load(model, precision)}
    return WorkerSetup(handlers, inventory, partial(measure_step_costs, engine), loaders)


def measure_step_costs(engine: Engine) -> None:
    """Measure the costs for time budgets, and release the memory that this takes."""
    engine.measure_step_costs()
    trim_heap()


def answer_detection(
    engine: Engine, image_bytes: bytes, received_at_s: float, model: str, options: DetectOptions
) -> EncodedAnswer:
    """Return the encoded faces of an image, in the calling thread.

    Args:
        engine: The detectors.
        image_bytes: The encoded image.
        received_at_s: When the body was complete, by ``time.perf_counter``. The clock is the same
            in all processes of a machine.
        model: Name of the detector.
        options: The options of the caller.

    Raises:
        PhizError: As ``Engine.detect``.
    """
    stopwatch = Stopwatch(received_at_s, yield_turn=yield_turn if is_interleaved() else None)
    stopwatch.lap("queue")
    result = engine.detect(image_bytes, model, options, stopwatch)
    return encode_answer(encode_result(result), len(result.faces), stopwatch)


def answer_classification(  # noqa: PLR0913, PLR0917  what a request chooses, and when it came
    load: ClassifierLoader,
    image_bytes: bytes,
    received_at_s: float,
    model: str,
    precision: Precision | None,
    top: int,
) -> EncodedAnswer:
    """Return the encoded classes of an image, in the calling thread.

    Loading a classifier for its first caller counts as ``queue``.

    Args:
        load: Loads the classifier.
        image_bytes: The encoded image.
        received_at_s: As for ``answer_detection``.
        model: Name of the classifier.
        precision: Of its network; None for the recommended one.
        top: Maximum number of classes.

    Raises:
        PhizError: As ``ClassificationEngine.classify``, or the classifier cannot be loaded.
    """
    stopwatch = Stopwatch(received_at_s)
    engine = load(model, precision)
    stopwatch.lap("queue")
    classification = engine.classify(image_bytes, top, stopwatch)
    return encode_answer(encode_classification(classification), None, stopwatch)


def make_classifier_loader(settings: Settings) -> ClassifierLoader:
    """Return a loader that keeps each classifier after its first request."""
    recommended = cache(partial(get_default_precision, settings))

    @cache  # without errors, so that a classifier that is built later is found
    def load_cached(model: str, precision: Precision) -> ClassificationEngine:
        loaded = load_classifier(settings, model, precision)
        trim_heap()
        return loaded

    def load(model: str, precision: Precision | None) -> ClassificationEngine:
        chosen_precision = precision or recommended(model)
        try:
            return load_cached(model, chosen_precision)
        except ModelError as error:
            # Paths are for the operator of the service, not for its callers.
            if not isinstance(error, ModelNotBuiltError):
                _log.error("%s", error)
            raise type(error)(
                f"{model} {chosen_precision} is not built; the operator of the service can build it"
                " with: phiz models build --group classify"
            ) from error

    return load


def warm_up_engine(engine: Engine) -> dict[str, float]:
    """Run every network, and return the seconds of each warm detector.

    The image has faces, so that the later networks of the cascade run too.
    """
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(*WARM_UP_SIZE_WH, WARM_UP_SEED)).save(file, "JPEG")
    for detector in engine.detectors.values():
        _time_detection(detector, file.getvalue())
    return {
        name: _time_detection(detector, file.getvalue())
        for name, detector in engine.detectors.items()
    }


def _time_detection(detector: Detector, image_bytes: bytes) -> float:
    """Return the processor seconds of a detection: other workers start at the same time."""
    # The limits of the engine are for callers. They may be below the size of this image.
    width, height = WARM_UP_SIZE_WH
    started = time.process_time()
    image = open_image(image_bytes, DecodingLimits(len(image_bytes), width * height))
    detector.detect(image, DetectOptions(), Stopwatch())
    return time.process_time() - started


def is_batchable(request: WorkRequest, image_bytes: bytes) -> bool:
    """Return whether a request is a detection that may run side by side with others.

    Only JPEGs that are not too large: they are decoded at the scale that the model needs, so that
    several of them need little memory.
    """
    model, *_ = request.arguments
    if (
        request.handler != "detect"
        or model not in BATCHABLE_MODELS
        or sniff_format(image_bytes) != "JPEG"
    ):
        return False
    size_wh = read_jpeg_size(image_bytes)
    return size_wh is not None and math.prod(size_wh) <= MAX_BATCHABLE_PIXELS


if __name__ == "__main__":
    configure_logging(load_settings().log, open_log_stream())
    run_worker(socket.socket(fileno=int(sys.argv[1])), set_up_worker, is_batchable)
