"""The memory that decoding takes: ``python -m tests.image.peak FILE...``, on Linux.

Prints a line for each file: the most bytes that the process grew by.
"""

import sys
from contextlib import suppress
from pathlib import Path

from phiz.errors import ImagePixelsError
from phiz.image.decode import open_image
from phiz.image.limits import DecodingLimits
from phiz.system.malloc import fix_malloc_thresholds, trim_heap

PROCESS = Path("/proc/self")
LIMITS = DecodingLimits(max_bytes=100_000_000, max_pixels=100_000_000)


def read_status_bytes(name: str) -> int:
    """Return a size of this process, such as ``VmRSS``."""
    lines = (PROCESS / "status").read_text("utf-8").splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(kilobytes)


def measure_decoding(image_bytes: bytes) -> int:
    """Return the bytes by which the process grows at most."""
    trim_heap()
    (PROCESS / "clear_refs").write_text("5", "ascii")  # resets the peak
    before = read_status_bytes("VmRSS")
    with suppress(ImagePixelsError):
        open_image(image_bytes, LIMITS).decode_full()
    return read_status_bytes("VmHWM") - before


if __name__ == "__main__":
    fix_malloc_thresholds()
    files = [Path(name).read_bytes() for name in sys.argv[1:]]
    for encoded in files:
        measure_decoding(encoded)  # loads the decoder
        sys.stdout.write(f"{measure_decoding(encoded)}\n")
