"""The thresholds of the C library's allocator.

By default glibc raises the size from which a block is mapped separately to that of the largest
freed block, up to 32 MiB. The large arrays of an image then lie among small ones that live longer,
and with images of many sizes the process keeps growing. A fixed size keeps them apart. Source:
mallopt(3).
"""

import ctypes
import mmap

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
# Larger than the blocks that the networks use in each run, which would otherwise be mapped again
# and again.
MMAP_THRESHOLD_BYTES = 4 << 20
# Fixing one threshold stops the growth of the other, so this one is set too.
TRIM_THRESHOLD_BYTES = 64 << 20


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
