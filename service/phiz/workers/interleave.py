"""Runs jobs interleaved, stage by stage.

Sequential jobs find the caches as another stage left them. Interleaved jobs run the same stage in
a row.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class _JobGreenlet(greenlet):
    """Runs one job after the other.

    A switch starts or continues a job. It returns None when the job pauses, and its result in a
    tuple at the end.
    """

    def run(self, job: Callable[[], Any]) -> None:
        assert self.parent is not None
        while True:
            ended = (job(),)
            del job  # it holds an image, and the next job may come late
            job = self.parent.switch(ended)
            del ended


def is_interleaved() -> bool:
    """Return whether the caller is an interleaved job."""
    return isinstance(getcurrent(), _JobGreenlet)


def yield_turn() -> None:
    """Let the other jobs run. Without others nothing happens."""
    turn = getcurrent()
    if isinstance(turn, _JobGreenlet):
        assert turn.parent is not None
        turn.parent.switch(None)


class Interleaver(Generic[T]):
    """Runs jobs interleaved.

    Greenlets are kept for later jobs, because each new one allocates memory from the system.
    """

    __slots__ = ("_idle",)

    def __init__(self) -> None:
        self._idle: list[_JobGreenlet] = []

    def run_all(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Return the results of jobs, each of which runs to its next ``yield_turn`` in turn.

        Raises:
            BaseException: The error of a job; the others do not continue.
        """
        results: dict[int, T] = {}
        going = {
            place: self._idle.pop() if self._idle else _JobGreenlet() for place in range(len(jobs))
        }
        started = {place: turn.switch(jobs[place]) for place, turn in going.items()}
        while going:
            for place, turn in tuple(going.items()):
                ended = started.pop(place) if place in started else turn.switch()
                if ended is not None:
                    (results[place],) = ended
                    self._idle.append(going.pop(place))
        return [results[place] for place in range(len(jobs))]
