"""Where the work on the processor is done, and how many threads it may have."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path, PurePosixPath
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

CGROUPS = Path("sys/fs/cgroup")
MEMBERSHIP = Path("proc/self/cgroup")


class Pool:
    """A fixed number of threads, and a queue of what waits for them.

    A network runs without the interpreter's lock, so threads do work side by side. An
    awaiter that is cancelled takes its work back as long as it has not begun.
    """

    __slots__ = ("_executor", "_lock", "_waiting", "threads")

    def __init__(self, threads: int) -> None:
        """Make the pool; its threads begin with the first work."""
        self.threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="phiz")
        self._lock = threading.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """How many pieces of work have not begun."""
        return self._waiting

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the function returns, or raise what it raises, in one of the threads."""
        return await self.submit(function, *args, **kwargs)

    async def run_in_each(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> list[T]:
        """Return what the function returns in each of the threads, which begin it together.

        Nothing else may be in the pool: what keeps one thread keeps all of them.
        """
        together = threading.Barrier(self.threads)

        def begin() -> T:
            together.wait()
            return function(*args, **kwargs)

        try:
            return await asyncio.gather(*(self.submit(begin) for _ in range(self.threads)))
        finally:
            # Where some could not begin, the others must not wait for them for ever.
            together.abort()

    def submit(
        self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Return what will hold the function's result; from now on it counts as waiting."""
        self._count(1)
        future = self._executor.submit(self._begin, partial(function, *args, **kwargs))
        future.add_done_callback(self._withdrawn)
        return asyncio.wrap_future(future)

    def close(self) -> None:
        """Drop what waits and return when what has begun is done."""
        self._executor.shutdown(cancel_futures=True)

    def _begin(self, work: Callable[[], T]) -> T:
        self._count(-1)
        return work()

    def _withdrawn(self, future: Future[T]) -> None:
        # Called for every end; a future can only be cancelled before its work begins.
        if future.cancelled():
            self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._waiting += change


def available_threads(root: Path = Path("/")) -> int:
    """Return how many threads can run at once here, at least 1.

    The smaller of the processors that this process may use and its control group's quota.
    A broken quota is rounded down: one thread too many is stopped again and again in the
    middle of a picture, when the quota of the period is used up.
    """
    return max(1, int(min(_processors(), cpu_quota(root))))


def cpu_quota(root: Path) -> float:
    """Return the processors' time per time that the control groups allow, or infinity.

    Each group above this process may set a quota and the smallest one counts. Within a
    container the group's own folder is often mounted as the topmost, so that the path in
    ``proc/self/cgroup`` does not exist there; then the topmost is read alone.

    Args:
        root: The folder that holds ``proc`` and ``sys``.

    Formats: the kernel's cgroup-v2 (``cpu.max``) and sched-bwc (``cpu.cfs_quota_us``)
    documents.
    """
    return min((_quota(folder) for folder in _groups(root)), default=float("inf"))


def _processors() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folder of each control group for processors that this process is in."""
    for line in _read(root / MEMBERSHIP).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        for top in (CGROUPS / controllers, CGROUPS / "cpu") if controllers else (CGROUPS,):
            group = PurePosixPath(path.lstrip("/"))
            yield from (root / top / folder for folder in (group, *group.parents))


def _quota(folder: Path) -> float:
    """Return the quota that one group sets, in processors, or infinity if it sets none."""
    quota_us, _, period_us = _read(folder / "cpu.max").strip().partition(" ")
    if not quota_us:
        quota_us = _read(folder / "cpu.cfs_quota_us").strip()
        period_us = _read(folder / "cpu.cfs_period_us").strip()
    # "max" in the second version and -1 in the first mean that there is none.
    if not (quota_us.isdigit() and period_us.isdigit() and int(period_us)):
        return float("inf")
    return int(quota_us) / int(period_us)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError:
        return ""
