"""What the processor has instructions for."""

import platform
import sys
from pathlib import Path
from typing import Final

from phiz.models.specs import Precision

CPU_INFO: Final = Path("/proc/cpuinfo")
# As Linux names what adds up products of 8-bit numbers in 32 bits: AVX-512 VNNI, AVX VNNI, and
# Arm's dot product. Without them 8 bits are no faster than float32.
INT8_DOT_PRODUCT_FLAGS: Final = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})


def recommend_precision() -> Precision:
    """Return the precision in which a classifier is faster on this processor.

    A processor that cannot be asked counts as one without the instructions, Apple's own apart,
    all of which have them.
    """
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "int8"
    try:
        return recommend_for_cpu_info(CPU_INFO.read_text("utf-8", "replace"))
    except OSError:  # not Linux
        return "float32"


def recommend_for_cpu_info(cpu_info: str) -> Precision:
    """Return the precision for a processor that Linux describes in this way."""
    named = (line.partition(":") for line in cpu_info.splitlines())
    flags = next(
        (set(value.split()) for key, _, value in named if key.strip() in {"flags", "Features"}),
        set(),
    )
    return "int8" if flags & INT8_DOT_PRODUCT_FLAGS else "float32"
