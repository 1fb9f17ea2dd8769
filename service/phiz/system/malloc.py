"""The thresholds of the C library's allocator.

By default glibc raises the size from which a block is mapped separately to that of the largest
freed block, up to 32 MiB. The large arrays of an image then lie among small ones that live longer,
and with images of many sizes the process keeps growing. A fixed size keeps them apart. Source:
mallopt(3).
"""

import ctypes
import mmap
from collections.abc import Mapping

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
# Larger than the blocks that the networks use in each run, which would otherwise be mapped again
# and again.
MMAP_THRESHOLD_BYTES = 4 << 20
# Fixing one threshold stops the growth of the other, so this one is set too.
TRIM_THRESHOLD_BYTES = 64 << 20

# A large block in pages of 2 MB takes a twentieth of the page faults. Source: glibc's manual,
# "Memory Allocation Tunables"; it works where the kernel's transparent_hugepage is not "never".
TUNABLES_VARIABLE = "GLIBC_TUNABLES"
HUGE_PAGES_TUNABLE = "glibc.malloc.hugetlb"


def add_huge_pages(variables: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables with which a process gets large blocks in huge pages.

    glibc reads them when a process starts. A choice that they already have stays.
    """
    tunables = variables.get(TUNABLES_VARIABLE, "")
    if HUGE_PAGES_TUNABLE in tunables:
        return dict(variables)
    choice = f"{HUGE_PAGES_TUNABLE}=1"
    return {**variables, TUNABLES_VARIABLE: f"{tunables}:{choice}" if tunables else choice}


def has_huge_pages(variables: Mapping[str, str]) -> bool:
    """Return whether the environment variables of a process ask for huge pages."""
    return f"{HUGE_PAGES_TUNABLE}=1" in variables.get(TUNABLES_VARIABLE, "").split(":")


def fix_malloc_thresholds() -> bool:
    """Make this process return large blocks to the system at once.

    Returns:
        Whether it worked; only glibc can do it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # no such function, or no such library
        return False
    # Each returns 1 if it was done.
    return bool(
        mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES)
        and mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD_BYTES)
    )


def can_allocate(size_bytes: int) -> bool:
    """Return whether the system gives this process so much memory now, without using it."""
    try:
        mmap.mmap(-1, size_bytes).close()
    except (MemoryError, OSError):
        return False
    return True


def trim_heap() -> bool:
    """Return free memory between blocks to the system, in about a millisecond.

    Returns:
        Whether any was returned; only glibc can do it.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False
