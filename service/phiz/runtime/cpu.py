"""Instructions of the processor for 8-bit networks."""

import platform
import sys
from pathlib import Path
from typing import Final

from phiz.models.specs import Precision

CPU_INFO: Final = Path("/proc/cpuinfo")
# Linux's names of instructions that add products of 8-bit numbers in 32 bits: AVX-512 VNNI, AVX
# VNNI and Arm's dot product. Without them int8 is no faster than float32.
INT8_DOT_PRODUCT_FLAGS: Final = frozenset({"avx512_vnni", "avx_vnni", "asimddp"})


def recommend_precision() -> Precision:
    """Return the faster precision of a classifier on this processor.

    An unknown processor counts as one without the instructions. Apple's own processors all have
    them.
    """
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "int8"
    try:
        return recommend_for_cpu_info(CPU_INFO.read_text("utf-8", "replace"))
    except OSError:  # not Linux
        return "float32"


def recommend_for_cpu_info(cpu_info: str) -> Precision:
    """Return the precision for a processor by its description in Linux."""
    named = (line.partition(":") for line in cpu_info.splitlines())
    flags = next(
        (set(value.split()) for key, _, value in named if key.strip() in {"flags", "Features"}),
        set(),
    )
    return "int8" if flags & INT8_DOT_PRODUCT_FLAGS else "float32"
