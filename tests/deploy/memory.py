"""What a service may need."""

from phiz.quota import PIXEL_BYTES, SERVICE_BYTES

USED_WORKER_BYTES = 190_000_000  # docs/deploying.md: after pictures of all kinds


def needed_bytes(workers: int, max_pixels: int) -> int:
    """With the largest picture in each worker at once."""
    return SERVICE_BYTES + workers * (USED_WORKER_BYTES + PIXEL_BYTES * max_pixels)
