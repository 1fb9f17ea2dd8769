"""Servers on one core and the load on another, so that neither takes the other's time."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.kit.errors import BenchmarkError


@dataclass(frozen=True, slots=True)
class Cores:
    """The core of the servers, and the core of the load."""

    server: frozenset[int]
    load: frozenset[int]

    @property
    def both(self) -> frozenset[int]:
        """The cores of processes that are not kept to one."""
        return self.server | self.load


def choose_cores() -> Cores:
    """Return the first two cores that this process may use.

    Raises:
        BenchmarkError: There are not two, or processes cannot be kept to them on this system.
    """
    if not hasattr(os, "sched_setaffinity"):
        raise BenchmarkError("this system cannot keep a process to a core; run it on Linux")
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        raise BenchmarkError("there is one core to use here; servers and load need one each")
    return Cores(frozenset({first}), frozenset({others[0]}))


@contextmanager
def pin_to(cores: frozenset[int]) -> Iterator[None]:
    """Keep this thread, and the processes that it starts meanwhile, to cores; none mean any."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin_to_core() -> int | None:
    """Keep this process, and those that it starts, to the last core that it may use.

    Return that core, or None on a system without such a choice.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core
