"""What the speed benchmark ran on."""

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path

from phiz.runtime.profile import get_processor_name

# What decides how fast a network is; a processor lists a hundred others.
TELLING_FLAGS = re.compile(r"avx|fma|amx|asimd|bf16|i8mm|sve")
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine.

    Attributes:
        processor: Its name and architecture.
        flags: Of its vector units; empty where the system does not say.
        cores: That there are.
        pinned_to: The core that everything ran on; None where the system cannot do that.
        system: Its name and release.
        python: Version.
    """

    processor: str
    flags: tuple[str, ...]
    cores: int
    pinned_to: int | None
    system: str
    python: str


def describe_machine(pinned_to: int | None) -> Machine:
    """Return this machine."""
    return Machine(
        processor=get_processor_name(),
        flags=_read_flags(),
        cores=os.cpu_count() or 1,
        pinned_to=pinned_to,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
    )


def pin_to_core() -> int | None:
    """Keep this process, and those that it starts, to the last core that it may use."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def _read_flags() -> tuple[str, ...]:
    try:
        lines = CPU_INFO.read_text("utf-8", "replace").splitlines()
    except OSError:  # not Linux
        return ()
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return tuple(flag for flag in found.partition(":")[2].split() if TELLING_FLAGS.search(flag))
