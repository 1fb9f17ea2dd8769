"""phiz's front model as one function, for servers that put it behind HTTP of their own."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from phiz import engine
from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.limits import Limits
from phiz.models import catalog
from phiz.system.malloc import keep_large_blocks_apart
from phiz.timings import Stopwatch
from phiz.wire.encode import payload

MODEL = "front"
LIMITS = Limits(max_bytes=20 << 20, max_pixels=50_000_000)  # what phiz serves with

Answer: TypeAlias = dict[str, Any]
"""What phiz answers, before it is encoded."""


def load() -> Callable[[bytes], Answer]:
    """Return what finds the faces in an encoded picture."""
    keep_large_blocks_apart()
    folder = Path(os.environ.get("PHIZ_MODELS") or catalog.default_folder())
    return partial(answer, engine.load(folder, "half-pixel", LIMITS, (MODEL,)))


def answer(loaded: Engine, picture: bytes) -> Answer:
    """Return the faces of a picture, and the time of each stage."""
    stopwatch = Stopwatch()
    content = payload(loaded.detect(picture, MODEL, DetectOptions(), stopwatch))
    stopwatch.lap("postprocess")
    return {**content, "timing_ms": stopwatch.timings().milliseconds()}
