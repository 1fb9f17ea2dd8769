"""phiz's front model as one function, for servers that put it behind HTTP of their own."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from phiz import engine
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.limits import DecodingLimits
from phiz.models import catalog
from phiz.system.malloc import fix_malloc_thresholds
from phiz.timings import Stopwatch
from phiz.wire.encode import encode_result

MODEL = "front"
LIMITS = DecodingLimits(max_bytes=20 << 20, max_pixels=50_000_000)  # what phiz serves with

Answer: TypeAlias = dict[str, Any]
"""What phiz answers, before it is encoded."""


def load_detector() -> Callable[[bytes], Answer]:
    """Return what finds the faces in an encoded picture."""
    fix_malloc_thresholds()
    folder = Path(os.environ.get("PHIZ_MODELS") or catalog.get_default_folder())
    return partial(answer_image, engine.build_engine(folder, "half-pixel", LIMITS, (MODEL,)))


def answer_image(loaded: Engine, image_bytes: bytes) -> Answer:
    """Return the faces of a picture, and the time of each stage."""
    stopwatch = Stopwatch()
    content = encode_result(loaded.detect(image_bytes, MODEL, DetectOptions(), stopwatch))
    stopwatch.lap("postprocess")
    return {**content, "timing_ms": stopwatch.to_timings().to_milliseconds()}
