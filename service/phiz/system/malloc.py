"""How the C library keeps memory that is given back to it.

Left to itself, glibc raises the size from which it asks the system for a block of its own to
that of the largest block it has seen freed, up to 32 MiB. The large arrays of an image then
come to lie among small ones that live longer, and with images of many sizes the process
grows for a long time. A fixed size keeps them apart. Source: mallopt(3).
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h
# From here on a block is its own: larger than what the networks use in each run, which would
# otherwise be fetched from the system again and again.
MMAP_THRESHOLD_BYTES = 4 << 20
# So much may lie free at the end of the heap: fixing the one switches off that the other grows.
TRIM_THRESHOLD_BYTES = 64 << 20


def fix_malloc_thresholds() -> bool:
    """Have large blocks given back at once, for the whole process.

    Returns:
        Whether this C library can; other than glibc they are left as they are.
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


def trim_heap() -> bool:
    """Have the system take what lies free between blocks, which costs about a millisecond.

    Returns:
        Whether anything was given back; other than glibc no library can be asked to.
    """
    try:
        return bool(ctypes.CDLL(None).malloc_trim(0))
    except (AttributeError, OSError, TypeError):
        return False
