"""The process of a worker: ``python -m phiz.worker SOCKET INDEX``, begun by the service."""

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
from phiz.loading import get_default_precision, load_classifier, load_engine, load_measurements
from phiz.models import router_config
from phiz.models.catalog import get_default_folder
from phiz.models.specs import BATCHABLE_MODELS, Precision
from phiz.settings import Settings, load_settings
from phiz.system.logs import configure_logging
from phiz.system.malloc import trim_heap
from phiz.timings import Stopwatch
from phiz.wire.encode import encode_answer, encode_classification, encode_result
from phiz.wire.messages import EncodedAnswer, ModelInventory
from phiz.workers.interleave import is_interleaved, yield_turn
from phiz.workers.loop import WorkerSetup, run_worker
from phiz.workers.protocol import WorkRequest

WARM_UP_SIZE_WH = (320, 240)
MAX_BATCHABLE_PIXELS = 4_000_000
WARM_UP_SEED = 1  # mtcnn finds 18 faces in this one

_log = logging.getLogger(__name__)


ClassifierLoader: TypeAlias = Callable[
    [str, Precision | None], tuple[ClassificationEngine, Precision]
]
"""Gives the classifier of a name at a precision, or in the one that is recommended here."""


def set_up_worker() -> WorkerSetup:
    """Return what this worker can do, everything loaded and warm, and what is known of it.

    What budgets are kept by is measured afterwards: it would make every start a tenth of a second
    longer, and the first caller with a budget must not pay for it.

    Raises:
        SettingError: The runtime that is set cannot be had.
        ModelError: A model is missing, or is not the one that the catalogue names.
    """
    settings = load_settings()
    engine, models = load_engine(settings, warn=_log.warning)
    seconds = warm_up_engine(engine)
    trim_heap()  # opening the models has left 6 MB between what stays
    folder = settings.models or get_default_folder()
    inventory = ModelInventory(
        models.get_models("face"),
        router_config.load_router_config(),
        LANDMARKS_BY_KIND,
        seconds,
        models.get_models("classify"),
        folder,
        {
            spec.name: get_default_precision(settings, spec.name)
            for spec in models.get_models("classify")
        },
        load_measurements(settings),
    )
    handlers = {
        "detect": partial(answer_detection, engine),
        "classify": partial(answer_classification, make_classifier_loader(settings)),
    }
    return WorkerSetup(handlers, inventory, partial(measure_step_costs, engine))


def measure_step_costs(engine: Engine) -> None:
    """Measure what budgets are kept by, and keep none of the memory that it takes."""
    engine.measure_step_costs()
    trim_heap()


def answer_detection(
    engine: Engine, image_bytes: bytes, received_at_s: float, model: str, options: DetectOptions
) -> EncodedAnswer:
    """Return the encoded answer to a picture, in the calling thread.

    Args:
        engine: What detects.
        image_bytes: Encoded.
        received_at_s: The moment when the body was complete, by ``time.perf_counter``; that
            clock is the same in all processes of a machine.
        model: Which detector.
        options: For it.

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
    """Return the encoded answer to what a picture shows, in the calling thread.

    What loads the classifier, if nobody has asked for it before, counts as ``queue``.

    Args:
        load: Gives the classifier.
        image_bytes: Encoded.
        received_at_s: As for ``answer_detection``.
        model: Which classifier.
        precision: Of its network; None for what is recommended here.
        top: So many classes.

    Raises:
        PhizError: As ``ClassificationEngine.classify``, or the classifier cannot be loaded.
    """
    stopwatch = Stopwatch(received_at_s)
    engine, chosen = load(model, precision)
    stopwatch.lap("queue")
    classification = engine.classify(image_bytes, model, chosen, top, stopwatch)
    return encode_answer(encode_classification(classification), None, stopwatch)


def make_classifier_loader(settings: Settings) -> ClassifierLoader:
    """Return what loads a classifier when it is first asked for: most services need none."""
    recommended = cache(partial(get_default_precision, settings))

    @cache  # which does not remember an error, so that what is built later is found
    def load_cached(model: str, precision: Precision) -> ClassificationEngine:
        loaded = load_classifier(settings, model, precision)
        trim_heap()
        return loaded

    def load_classifiers(
        model: str, precision: Precision | None
    ) -> tuple[ClassificationEngine, Precision]:
        chosen_precision = precision or recommended(model)
        try:
            return load_cached(model, chosen_precision), chosen_precision
        except ModelError as error:
            # Where files lie is told to those who run the service, not to its callers.
            if not isinstance(error, ModelNotBuiltError):
                _log.error("%s", error)
            raise type(error)(
                f"{model} {chosen_precision} is not built; the operator of the service can build it"
                " with: phiz models build --group classify"
            ) from error

    return load_classifiers


def warm_up_engine(engine: Engine) -> dict[str, float]:
    """Let every network run, so that no caller waits for what is done only once.

    The picture has faces: in one without, a cascade's later networks have nothing to look at.

    Returns:
        What each detector takes once it is warm, in seconds.
    """
    width, height = WARM_UP_SIZE_WH
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(width, height, WARM_UP_SEED)).save(file, "JPEG")
    for detector in engine.detectors.values():
        _time_detection(detector, file.getvalue())
    return {
        name: _time_detection(detector, file.getvalue())
        for name, detector in engine.detectors.items()
    }


def _time_detection(detector: Detector, image_bytes: bytes) -> float:
    """Return the seconds that a detection takes."""
    # The engine's own limits are for callers; they may be smaller than this picture.
    width, height = WARM_UP_SIZE_WH
    started = time.perf_counter()
    image = open_image(image_bytes, DecodingLimits(len(image_bytes), width * height))
    detector.detect(image, DetectOptions(), Stopwatch())
    return time.perf_counter() - started


def is_batchable(request: WorkRequest, image_bytes: bytes) -> bool:
    """Return whether a detection is done side by side with others.

    JPEGs alone, and no large ones: they are decoded as small as their model needs, so that
    several together hold little memory.
    """
    model, *_ = request.arguments
    if model not in BATCHABLE_MODELS or sniff_format(image_bytes) != "JPEG":
        return False
    size_wh = read_jpeg_size(image_bytes)
    return size_wh is not None and math.prod(size_wh) <= MAX_BATCHABLE_PIXELS


if __name__ == "__main__":
    configure_logging(load_settings().log)
    run_worker(socket.socket(fileno=int(sys.argv[1])), set_up_worker, is_batchable)
