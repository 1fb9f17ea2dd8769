"""What a service may need."""

from phiz.system.cgroups import PIXEL_BYTES, SERVICE_BYTES, WORKER_BYTES


def needed_bytes(workers: int, max_pixels: int) -> int:
    """With the largest picture in each worker at once."""
    return SERVICE_BYTES + workers * (WORKER_BYTES + PIXEL_BYTES * max_pixels)
