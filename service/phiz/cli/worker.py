"""The process of a worker: ``python -m phiz.cli.worker SOCKET INDEX``, begun by the service."""

import io
import math
import socket
import sys
import time
from functools import partial

from PIL import Image as Pillow

from phiz import router
from phiz.answers import find
from phiz.cli.engines import load_engine
from phiz.crew.calls import Call
from phiz.crew.worker import Prepared, run
from phiz.detectors import LANDMARKS, Detector
from phiz.engine import Engine
from phiz.exchange import JOINING, Stock
from phiz.faces import DetectOptions
from phiz.headers import sniff
from phiz.image import Limits, open_picture
from phiz.jpeg import announced_size
from phiz.memory import give_back
from phiz.scenes import draw_crowd
from phiz.settings import load
from phiz.timings import Stopwatch

WARM_UP_SIZE_WH = (320, 240)
JOINING_PIXELS = 4_000_000
WARM_UP_SEED = 1  # mtcnn finds 18 faces in this one


def prepare() -> Prepared:
    """Return what this worker can do, everything loaded and warm, and what is known of it.

    What budgets are kept by is measured afterwards: it would make every start a tenth of a second
    longer, and the first caller with a budget must not pay for it.

    Raises:
        SettingError: The runtime that is set cannot be had.
        ModelError: A model is missing, or is not the one that the catalogue names.
    """
    engine, models = load_engine(load())
    seconds = warm_up(engine)
    give_back()  # opening the models has left 6 MB between what stays
    stock = Stock(models.group("face"), router.load(), LANDMARKS, seconds)
    return Prepared({"detect": partial(detect, engine)}, stock, engine.expect_budgets)


def detect(
    engine: Engine, picture: bytes, since: float, model: str, options: DetectOptions
) -> tuple[object, ...]:
    """Return the plain answer to a picture."""
    return find(engine, picture, model, options, since).plain()


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
    run(socket.socket(fileno=int(sys.argv[1])), prepare, joins)
