"""The memory and time of a process, from proc(5) and its clock, which only Linux has."""

import os
import resource
import sys
import time
from pathlib import Path
from typing import Final

PROC_ROOT: Final = Path("/proc")
KIB: Final = 1024
_PROCESS_CLOCK: Final = 2  # CPUCLOCK_SCHED, of all threads
DISK_STATE: Final = "D"
"""The state of a process that waits for a disk, and that no signal reaches."""
STOPPED_STATE: Final = "T"
"""The state of a process that a signal has stopped."""


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
    """Return the user and system time of a process, or None if it is unknown.

    The clock of the process tells it in a hundredth of the time that its file ``stat`` takes, and
    in nanoseconds. Its number is that of clock_getcpuclockid(3) in glibc and musl.
    """
    try:
        return time.clock_gettime(~pid << 3 | _PROCESS_CLOCK)
    except OSError:  # the process has ended
        return None


def read_process_state(pid: int) -> str:
    """Return the letter of a process's state, or an empty text if it is unknown."""
    # The name of the program comes first, in brackets, and may contain spaces.
    _, _, rest = _read_proc_file(pid, "stat").rpartition(")")
    fields = rest.split()
    return fields[0] if fields else ""


def _read_proc_file(pid: int, name: str) -> str:
    try:
        return (PROC_ROOT / str(pid) / name).read_text("utf-8", "replace")
    except OSError:  # the process has ended, or this is not Linux
        return ""
