"""The memory and time of a process, from files of proc(5), which only Linux has."""

import os
import resource
import sys
from pathlib import Path
from typing import Final

PROC_ROOT: Final = Path("/proc")
KIB: Final = 1024


def read_resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a process, or None if it is unknown."""
    pages = _read_proc_file(pid, "statm").split()
    return int(pages[1]) * os.sysconf("SC_PAGE_SIZE") if pages else None


def read_peak_bytes() -> int:
    """Return the peak memory of this process."""
    for line in _read_proc_file(os.getpid(), "status").splitlines():
        name, _, value = line.partition(":")
        # Not getrusage: there a new program inherits the peak of its parent.
        if name == "VmHWM":
            return KIB * int(value.split()[0])
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else KIB * used


def read_processor_seconds(pid: int) -> float | None:
    """Return the user and system time of a process, or None if it is unknown."""
    # The name of the program comes first, in brackets, and may contain spaces.
    _, _, rest = _read_proc_file(pid, "stat").rpartition(")")
    ticks = rest.split()
    return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK") if ticks else None


def _read_proc_file(pid: int, name: str) -> str:
    try:
        return (PROC_ROOT / str(pid) / name).read_text("utf-8", "replace")
    except OSError:  # the process has ended, or this is not Linux
        return ""
