"""phiz's front model as one function, for servers that put it behind HTTP of their own.

As a worker of benchmarks, it answers without any HTTP, with ``front`` or with other models::

    python detector.py IMAGE [MODEL ...]
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from turns import Task, serve_tasks

from phiz import engine
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.models import catalog
from phiz.system.malloc import fix_malloc_thresholds
from phiz.timings import Stopwatch
from phiz.wire.encode import encode_result

MODEL = "front"
LIMITS = DecodingLimits(max_bytes=20 << 20, max_pixels=50_000_000)  # the service's own

Answer: TypeAlias = dict[str, Any]
"""The answer of phiz, before it is encoded."""


def load_detector(*models: str) -> Callable[..., Answer]:
    """Return a function that finds the faces in an encoded image, and takes a model after it."""
    fix_malloc_thresholds()
    folder = Path(os.environ.get("PHIZ_MODELS") or catalog.get_default_folder())
    wanted = models or (MODEL,)
    return partial(answer_image, engine.build_engine(folder, "half-pixel", LIMITS, wanted))


def answer_image(loaded: Engine, image_bytes: bytes, model: str = MODEL) -> Answer:
    """Return the faces of an image, and the time of each stage."""
    stopwatch = Stopwatch()
    content = encode_result(loaded.detect(image_bytes, model, DetectOptions(), stopwatch))
    stopwatch.lap("postprocess")
    return {**content, "timing_ms": stopwatch.to_timings().to_milliseconds()}


def main() -> None:
    """Serve the detection in one image by each model."""
    path, *models = sys.argv[1:]
    image_bytes, detect = Path(path).read_bytes(), load_detector(*models)
    tasks = [build_task(image_bytes, detect, model) for model in models or (MODEL,)]
    serve_tasks(tasks, ("phiz", "onnxruntime", "numpy", "pillow", "simplejpeg"))


def build_task(image_bytes: bytes, detect: Callable[..., Answer], model: str) -> Task[Answer]:
    """Return the task of one model."""
    return Task(
        model,
        "in process",
        lambda _: detect(image_bytes, model),
        lambda answer: {"faces": answer["faces"]},
    )


if __name__ == "__main__":
    main()
