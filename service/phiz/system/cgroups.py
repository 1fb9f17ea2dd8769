"""How much of the machine this process may use: processors, memory, and files."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUP_ROOT = Path("sys/fs/cgroup")
CGROUP_MEMBERSHIP = Path("proc/self/cgroup")
MAX_OPEN_FILES = 10_240  # that it is worth raising the limit to: macOS's OPEN_MAX
# What the service holds at rest, a worker after images of all kinds, and what a pixel takes at
# the worst, a WebP with alpha; docs/deploying.md tells how it was seen.
SERVICE_BYTES = 45_000_000
WORKER_BYTES = 190_000_000
PIXEL_BYTES = 20


def count_processors(root: Path = Path("/")) -> int:
    """Return how many processors there are to use here, at least 1.

    A broken quota is rounded down: one process too many is stopped again and again in the
    middle of an image, when the quota of the period is used up.
    """
    return max(1, int(get_processor_share(root)))


def get_processor_share(root: Path = Path("/")) -> float:
    """Return the processors' time per time that there is to use here, which may be below 1.

    The smaller of the processors that this process may use and its control group's quota.
    """
    return min(_count_allowed_processors(), read_cpu_quota(root))


def count_affordable_workers(limit_bytes: float, max_pixels: int) -> float:
    """Return how many workers a limit of memory has room for, at least 1, or infinity.

    Beside the service and its workers there has to be room for one image of the largest size.
    More of these at once are for who runs the service to allow or not.

    Args:
        limit_bytes: As ``read_memory_limit`` has it.
        max_pixels: Of the largest image that is let in.
    """
    if limit_bytes == float("inf"):
        return limit_bytes
    left_bytes = limit_bytes - SERVICE_BYTES - PIXEL_BYTES * max_pixels
    return max(1, left_bytes // WORKER_BYTES)


def raise_file_limit() -> int:
    """Let this process have as many files open as it may, and return how many that are.

    The soft limit, often 1024 or 256, is for programs that ``select`` from their files; it may be
    raised to the hard one.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS calls the hard one infinite and takes no more than this.
        most = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
        soft = max(soft, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def read_cpu_quota(root: Path) -> float:
    """Return the processors' time per time that the control groups allow, or infinity.

    Each group above this process may set a quota and the smallest one counts. Within a
    container the group's own folder is often mounted as the topmost, so that the path in
    ``proc/self/cgroup`` does not exist there; then the topmost is read alone.

    Args:
        root: The folder that holds ``proc`` and ``sys``.

    Formats: the kernel's cgroup-v2 (``cpu.max``) and sched-bwc (``cpu.cfs_quota_us``)
    documents.
    """
    return min(map(_read_group_quota, _iter_cgroups(root, "cpu")), default=float("inf"))


def read_memory_limit(root: Path = Path("/")) -> float:
    """Return the bytes of memory that the control groups allow, or infinity.

    As with the quota, the smallest one counts. The first version has no word for no limit: it
    says a number that no machine has.

    Args:
        root: The folder that holds ``proc`` and ``sys``.

    Formats: the kernel's cgroup-v2 (``memory.max``) and memory (``memory.limit_in_bytes``)
    documents.
    """
    return min(
        (_read_group_limit(folder) for folder in _iter_cgroups(root, "memory")),
        default=float("inf"),
    )


def _iter_cgroups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folder of each control group that this process is in, also those above.

    Args:
        root: The folder that holds ``proc`` and ``sys``.
        controller: What the groups limit, as version 1 names it, such as ``cpu``.
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
    """Return the quota that one group sets, in processors, or infinity if it sets none."""
    quota_us, _, period_us = _read_text(folder / "cpu.max").strip().partition(" ")
    if not quota_us:
        quota_us = _read_text(folder / "cpu.cfs_quota_us").strip()
        period_us = _read_text(folder / "cpu.cfs_period_us").strip()
    # "max" in the second version and -1 in the first mean that there is none.
    if not (quota_us.isdigit() and period_us.isdigit() and int(period_us)):
        return float("inf")
    return int(quota_us) / int(period_us)


def _read_group_limit(folder: Path) -> float:
    """Return the bytes that one group allows, or infinity if it sets no limit."""
    limit = _read_text(folder / "memory.max") or _read_text(folder / "memory.limit_in_bytes")
    return int(limit) if limit.strip().isdigit() else float("inf")


def _read_text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
