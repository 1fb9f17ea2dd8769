"""The process of a worker: ``python -m phiz.worker SOCKET INDEX``, begun by the service."""

import io
import logging
import math
import socket
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from typing import Any, TypeAlias

from PIL import Image as Pillow

from phiz.classifiers import Classifiers
from phiz.detectors.detector import Detector
from phiz.detectors.factory import LANDMARKS
from phiz.engine import Engine
from phiz.errors import ModelError, ModelNotBuiltError
from phiz.faces import DetectOptions
from phiz.image.decode import open_picture
from phiz.image.headers import sniff
from phiz.image.jpeg import announced_size
from phiz.image.limits import Limits
from phiz.image.synthetic import draw_crowd
from phiz.loading import default_form, load_classifier, load_engine, load_measured
from phiz.models import router_config
from phiz.models.catalog import default_folder
from phiz.models.specs import JOINING, Form
from phiz.settings import Settings
from phiz.settings import load as load_settings
from phiz.system.logs import configure
from phiz.system.malloc import give_back
from phiz.timings import Stopwatch, Timings
from phiz.wire.encode import classification_payload, encoded, payload
from phiz.wire.messages import Answer, Stock
from phiz.workers.interleave import pause
from phiz.workers.loop import Prepared, run
from phiz.workers.protocol import Call

WARM_UP_SIZE_WH = (320, 240)
JOINING_PIXELS = 4_000_000
WARM_UP_SEED = 1  # mtcnn finds 18 faces in this one

_log = logging.getLogger(__name__)


Load: TypeAlias = Callable[[str, Form | None], tuple[Classifiers, Form]]
"""Gives the classifier of a name in a form, or in the one that is recommended here."""


def prepare() -> Prepared:
    """Return what this worker can do, everything loaded and warm, and what is known of it.

    What budgets are kept by is measured afterwards: it would make every start a tenth of a second
    longer, and the first caller with a budget must not pay for it.

    Raises:
        SettingError: The runtime that is set cannot be had.
        ModelError: A model is missing, or is not the one that the catalogue names.
    """
    settings = load_settings()
    engine, models = load_engine(settings, warn=_log.warning)
    seconds = warm_up(engine)
    give_back()  # opening the models has left 6 MB between what stays
    folder = settings.models or default_folder()
    stock = Stock(
        models.group("face"),
        router_config.load(),
        LANDMARKS,
        seconds,
        models.group("classify"),
        folder,
        {card.name: default_form(settings, card.name) for card in models.group("classify")},
        load_measured(settings),
    )
    works = {
        "detect": partial(detect, engine),
        "classify": partial(show, on_demand(settings)),
    }
    return Prepared(works, stock, partial(expect_budgets, engine))


def expect_budgets(engine: Engine) -> None:
    """Measure what budgets are kept by, and keep none of the memory that it takes."""
    engine.expect_budgets()
    give_back()


def detect(
    engine: Engine, picture: bytes, since: float, model: str, options: DetectOptions
) -> tuple[object, ...]:
    """Return the plain answer to a picture."""
    return find(engine, picture, model, options, since).plain()


def show(  # noqa: PLR0913, PLR0917  what a request chooses, and when it came
    load: Load, picture: bytes, since: float, model: str, precision: Form | None, top: int
) -> tuple[object, ...]:
    """Return the plain answer to what a picture shows."""
    return classify(load, picture, model, precision, top, since).plain()


def find(
    engine: Engine, picture: bytes, model: str, options: DetectOptions, started: float
) -> Answer:
    """Return the encoded answer to a picture, in the calling thread.

    Args:
        engine: What detects.
        picture: Encoded.
        model: Which detector.
        options: For it.
        started: The reading of ``time.perf_counter`` since which the picture has waited; that
            clock is the same in all processes of a machine.

    Raises:
        PhizError: As ``Engine.detect``.
    """
    stopwatch = Stopwatch(started, pause=pause)
    stopwatch.lap("queue")
    result = engine.detect(picture, model, options, stopwatch)
    content = payload(result)
    stopwatch.lap("postprocess")
    return _answer(content, len(result.faces), stopwatch.timings())


def classify(  # noqa: PLR0913, PLR0917  what a request chooses, and when it came
    load: Load, picture: bytes, model: str, precision: Form | None, top: int, started: float
) -> Answer:
    """Return the encoded answer to what a picture shows, in the calling thread.

    What loads the classifier, if nobody has asked for it before, counts as ``queue``.

    Args:
        load: Gives the classifier.
        picture: Encoded.
        model: Which classifier.
        precision: Of its network; None for what is recommended here.
        top: So many classes.
        started: As for ``find``.

    Raises:
        PhizError: As ``Classifiers.classify``, or the classifier cannot be loaded.
    """
    stopwatch = Stopwatch(started)
    classifiers, form = load(model, precision)
    stopwatch.lap("queue")
    content = classification_payload(classifiers.classify(picture, model, form, top, stopwatch))
    stopwatch.lap("postprocess")
    return _answer(content, None, stopwatch.timings())


def _answer(content: dict[str, Any], faces: int | None, timings: Timings) -> Answer:
    timing_ms = timings.milliseconds()
    body = encoded({**content, "timing_ms": timing_ms})
    server_timing = ", ".join(f"{name};dur={ms}" for name, ms in timing_ms.items())
    return Answer(body, server_timing, faces, timings)


def on_demand(settings: Settings) -> Load:
    """Return what loads a classifier when it is first asked for: most services need none."""
    recommended = cache(partial(default_form, settings))

    @cache  # which does not remember an error, so that what is built later is found
    def load_once(model: str, form: Form) -> Classifiers:
        loaded = load_classifier(settings, model, form)
        give_back()
        return loaded

    def load(model: str, precision: Form | None) -> tuple[Classifiers, Form]:
        form = precision or recommended(model)
        try:
            return load_once(model, form), form
        except ModelError as error:
            # Where files lie is told to those who run the service, not to its callers.
            if not isinstance(error, ModelNotBuiltError):
                _log.error("%s", error)
            raise type(error)(
                f"{model} {form} is not there to be asked; whoever runs the service builds it"
                " with: phiz models build --group classify"
            ) from error

    return load


def warm_up(engine: Engine) -> dict[str, float]:
    """Let every network run, so that no caller waits for what is done only once.

    The picture has faces: in one without, a cascade's later networks have nothing to look at.

    Returns:
        What each detector takes once it is warm, in seconds.
    """
    width, height = WARM_UP_SIZE_WH
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(width, height, WARM_UP_SEED)).save(file, "JPEG")
    for detector in engine.detectors.values():
        _detect_once(detector, file.getvalue())
    return {
        name: _detect_once(detector, file.getvalue()) for name, detector in engine.detectors.items()
    }


def _detect_once(detector: Detector, jpeg: bytes) -> float:
    """Return the seconds that a detection takes."""
    # The engine's own limits are for callers; they may be smaller than this picture.
    width, height = WARM_UP_SIZE_WH
    started = time.perf_counter()
    picture = open_picture(jpeg, Limits(len(jpeg), width * height))
    detector.detect(picture, DetectOptions(), Stopwatch())
    return time.perf_counter() - started


def joins(call: Call, picture: bytes) -> bool:
    """Return whether a detection is done side by side with others.

    JPEGs alone, and no large ones: they are decoded as small as their model needs, so that
    several together hold little memory.
    """
    model, *_ = call.arguments
    if model not in JOINING or sniff(picture) != "JPEG":
        return False
    size_wh = announced_size(picture)
    return size_wh is not None and math.prod(size_wh) <= JOINING_PIXELS


if __name__ == "__main__":
    configure(load_settings().log)
    run(socket.socket(fileno=int(sys.argv[1])), prepare, joins)
