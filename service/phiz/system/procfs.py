"""What the system tells of a process: files of proc(5), which only Linux has."""

import os
import resource
import sys
from pathlib import Path
from typing import Final

PROC_ROOT: Final = Path("/proc")
KIB: Final = 1024


def read_resident_bytes(pid: int) -> int | None:
    """Return the memory of a process that is not swapped out, or None if that is not known."""
    pages = _read_proc_file(pid, "statm").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else None


def read_peak_bytes() -> int:
    """Return the most memory that this process has had at once."""
    for line in _read_proc_file(os.getpid(), "status").splitlines():
        name, _, value = line.partition(":")
        # Not what getrusage says there: a program that is begun takes over its parent's peak.
        if name == "VmHWM":
            return KIB * int(value.split()[0])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else KIB * used


def read_processor_seconds(pid: int) -> float | None:
    """Return the time that a process has used, its own and the kernel's, or None."""
    # The name of the program comes first, in brackets, and may hold spaces.
    _, _, rest = _read_proc_file(pid, "stat").rpartition(")")
    ticks = rest.split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK") if ticks else None


def _read_proc_file(pid: int, name: str) -> str:
    try:
        return (PROC_ROOT / str(pid) / name).read_text("utf-8", "replace")
    except OSError:  # it has ended, or this is not Linux
        return ""
