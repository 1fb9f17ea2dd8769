"""The machine of a study: its processor, instructions and memory, and the versions."""

import os
import platform
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np

import phiz
from phiz.models.documents import PositiveInt, Text
from phiz.runtime.profile import get_processor_name
from phiz.runtime.variants import RUNTIME_FACTORIES, get_version
from phiz.system.cgroups import count_processors, read_cpu_quota, read_memory_limit

ROOT: Final = Path("/")
# Of those that Linux names, what decides how fast networks are.
INSTRUCTIONS: Final = (
    *("avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "i8mm", "bf16"),
)
# All of Apple's own processors since the first have these.
APPLE_INSTRUCTIONS: Final = ("asimd", "asimddp")
COPY_BYTES: Final = 64 << 20  # more than a cache holds, on most machines
COPIES: Final = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine, as far as a process can see.

    Attributes:
        processor: Name and architecture of the processor.
        instructions: Instruction sets, by their names in Linux.
        processors: Number of processors that this process may use.
        quota: Processor time per time that it may use; None for no limit.
        memory_bytes: Bytes of memory that it may use.
        clock_mhz: Highest clock, or else the present one; None if the system does not tell.
        copied_gb_s: Bytes read and written per second by copying, one thread.
        versions: Versions of phiz, Python, numpy and the runtimes, by name.
    """

    processor: Text
    instructions: tuple[Text, ...]
    processors: PositiveInt
    quota: float | None
    memory_bytes: PositiveInt
    clock_mhz: float | None
    copied_gb_s: float
    versions: Mapping[str, Text]


def describe_machine() -> Machine:
    """Return the machine that this process runs on; it takes half a second."""
    info = _read_text(ROOT / "proc/cpuinfo")
    quota = read_cpu_quota(ROOT)
    return Machine(
        processor=get_processor_name(),
        instructions=parse_instructions(info),
        processors=count_processors(),
        quota=None if quota == float("inf") else quota,
        memory_bytes=read_available_memory(ROOT),
        clock_mhz=read_clock_mhz(ROOT),
        copied_gb_s=round(_measure_copy_gb_s(), 1),
        versions=_list_versions(),
    )


def parse_instructions(cpu_info: str) -> tuple[str, ...]:
    """Return the instructions of a processor that Linux describes in this way."""
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return APPLE_INSTRUCTIONS
    named = {*_find_value(cpu_info, "flags").split(), *_find_value(cpu_info, "Features").split()}
    return tuple(name for name in INSTRUCTIONS if name in named)


def read_clock_mhz(root: Path) -> float | None:
    """Return the MHz of the fastest processor at most, or else of the first one now, or None.

    Args:
        root: The folder that holds ``proc`` and ``sys``.

    Formats: the kernel's cpufreq (``cpuinfo_max_freq``, in kHz) and proc(5)'s ``cpuinfo``.
    """
    files = (root / "sys/devices/system/cpu").glob("cpu*/cpufreq/cpuinfo_max_freq")
    highest_khz = [int(text) for text in map(str.strip, map(_read_text, files)) if text.isdigit()]
    if highest_khz:
        return max(highest_khz) / 1000
    value = _find_value(_read_text(root / "proc/cpuinfo"), "cpu MHz")
    return float(value) if value else None


def read_available_memory(root: Path) -> int:
    """Return the bytes of memory that there are for this process.

    The machine's, or what its control groups allow if that is less.

    Args:
        root: The folder that holds ``proc`` and ``sys``.
    """
    all_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min(all_bytes, read_memory_limit(root)))


def read_stolen_s(root: Path = ROOT) -> float | None:
    """Return the seconds that the host gave to others, the mean of a processor, or None.

    All processors of the machine count, not only those that this process may use.

    Format: proc(5)'s ``stat``, the first line of which is the sum of those of its processors.
    """
    first, *others = _read_text(root / "proc/stat").splitlines() or [""]
    count = sum(line.startswith("cpu") for line in others)
    fields, steal = first.split(), 8
    if not count or len(fields) <= steal:
        return None
    return int(fields[steal]) / os.sysconf("SC_CLK_TCK") / count


def _list_versions() -> dict[str, str]:
    runtimes = {name: get_version(name) for name in RUNTIME_FACTORIES}
    return {
        "phiz": phiz.__version__,
        "python": platform.python_version(),
        "numpy": version("numpy"),
        **{name: found for name, found in runtimes.items() if found is not None},
    }


def _measure_copy_gb_s() -> float:
    source = np.ones(COPY_BYTES, np.uint8)
    target = np.zeros_like(source)
    seconds = []
    for _ in range(COPIES):
        started = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - started)
    return 2 * COPY_BYTES / min(seconds) / 1e9


def _find_value(cpu_info: str, key: str) -> str:
    named = (line.partition(":") for line in cpu_info.splitlines())
    return next((value.strip() for name, _, value in named if name.strip() == key), "")


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # not Linux, or not there
        return ""
