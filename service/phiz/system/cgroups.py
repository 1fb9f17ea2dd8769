"""The limits of this process: processors, memory and open files."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUP_ROOT = Path("sys/fs/cgroup")
CGROUP_MEMBERSHIP = Path("proc/self/cgroup")
MAX_OPEN_FILES = 10_240  # macOS's OPEN_MAX
# The memory of the idle service, of a worker after images of all kinds, and of a pixel in the worst
# case, an image of one column; docs/deploying.md describes the measurement.
SERVICE_BYTES = 45_000_000
WORKER_BYTES = 190_000_000
PIXEL_BYTES = 16
DEFAULT_MAX_PIXELS = 50_000_000
USABLE_SHARE = 0.9  # of a memory limit; sockets and the page cache count towards it too


def count_processors(root: Path = Path("/")) -> int:
    """Return the number of usable processors, at least 1.

    A fractional quota is rounded down: one process too many would be stopped in the middle of
    images whenever the quota of the period is used up.
    """
    return max(1, int(get_processor_share(root)))


def get_processor_share(root: Path = Path("/")) -> float:
    """Return the usable share of processors, which may be below 1.

    It is the smaller of the allowed processors and the quota of the control groups.
    """
    return min(_count_allowed_processors(), read_cpu_quota(root))


def count_affordable_workers(limit_bytes: float, max_pixels: int) -> float:
    """Return how many workers fit into a memory limit, at least 1, or infinity.

    Each of them may have an image of the largest size at the same time.

    Args:
        limit_bytes: The result of ``read_memory_limit``.
        max_pixels: Maximum pixels of an image.
    """
    if limit_bytes == float("inf"):
        return limit_bytes
    left_bytes = USABLE_SHARE * limit_bytes - SERVICE_BYTES
    return max(1, left_bytes // (WORKER_BYTES + PIXEL_BYTES * max_pixels))


def choose_max_pixels(wanted: int | None, limit_bytes: float, body_bytes: int) -> int:
    """Return the maximum pixels of an image, by default what one worker has memory for.

    Args:
        wanted: The setting; None for the default.
        limit_bytes: The result of ``read_memory_limit``.
        body_bytes: Maximum size of a request.
    """
    if wanted is not None:
        return wanted
    left_bytes = USABLE_SHARE * limit_bytes - SERVICE_BYTES - WORKER_BYTES - body_bytes
    return int(min(DEFAULT_MAX_PIXELS, max(1.0, left_bytes / PIXEL_BYTES)))


def compute_spare_bytes(limit_bytes: float, workers: int, max_pixels: int) -> float:
    """Return the memory for request bodies, beside workers with images of the largest size.

    Args:
        limit_bytes: The result of ``read_memory_limit``.
        workers: Number of workers.
        max_pixels: Maximum pixels of an image.
    """
    workers_bytes = workers * (WORKER_BYTES + PIXEL_BYTES * max_pixels)
    return max(0.0, USABLE_SHARE * limit_bytes - SERVICE_BYTES - workers_bytes)


def raise_file_limit() -> int:
    """Raise the soft limit of open files towards the hard one, and return it.

    The soft limit, often 1024 or 256, is for programs that use ``select``.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS reports an infinite hard limit but accepts no more than this.
        most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
        soft = max(soft, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def read_cpu_quota(root: Path) -> float:
    """Return the share of processors that the control groups allow, or infinity.

    Each group above this process may set a quota, and the smallest one counts. In a container the
    group's own folder is often mounted as the root, so the path of ``proc/self/cgroup`` does not
    exist. Then only the root is read.

    Args:
        root: The folder of ``proc`` and ``sys``.

    Formats: the kernel's cgroup-v2 (``cpu.max``) and sched-bwc (``cpu.cfs_quota_us``)
    documents.
    """
    return min(map(_read_group_quota, _iter_cgroups(root, "cpu")), default=float("inf"))


def read_memory_limit(root: Path = Path("/")) -> float:
    """Return the bytes of memory that the control groups allow, or infinity.

    The smallest limit counts. Version 1 reports a missing limit as a number that no machine has.

    Args:
        root: The folder of ``proc`` and ``sys``.

    Formats: the kernel's cgroup-v2 (``memory.max``) and memory (``memory.limit_in_bytes``)
    documents.
    """
    return min(map(_read_group_limit, _iter_cgroups(root, "memory")), default=float("inf"))


def _iter_cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of each control group of this process, and of those above.

    Args:
        root: The folder of ``proc`` and ``sys``.
        controller: Name of the limited resource in version 1, such as ``cpu``.
    """
    for line in _read_text(root / CGROUP_MEMBERSHIP).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        for top in (
            (CGROUP_ROOT / controllers, CGROUP_ROOT / controller) if controllers else (CGROUP_ROOT,)
        ):
            group = PurePosixPath(path.lstrip("/"))
            yield from (root / top / folder for folder in (group, *group.parents))


def _count_allowed_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_group_quota(folder: Path) -> float:
    """Return the quota of one group in processors, or infinity."""
    quota_us, _, period_us = _read_text(folder / "cpu.max").strip().partition(" ")
    if not quota_us:
        quota_us = _read_text(folder / "cpu.cfs_quota_us").strip()
        period_us = _read_text(folder / "cpu.cfs_period_us").strip()
    # "max" in version 2 and -1 in version 1 mean no quota.
    if not (quota_us.isdigit() and period_us.isdigit() and int(period_us)):
        return float("inf")
    return int(quota_us) / int(period_us)


def _read_group_limit(folder: Path) -> float:
    """Return the limit of one group in bytes, or infinity."""
    limit = _read_text(folder / "memory.max") or _read_text(folder / "memory.limit_in_bytes")
    return int(limit) if limit.strip().isdigit() else float("inf")


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
