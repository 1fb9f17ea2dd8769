"""Pieces of work that take turns, stage by stage.

One after the other, each stage of a piece of work finds the caches as another stage has left
them. Side by side, all pieces go through the same stage in a row.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class _JobGreenlet(greenlet):
    """Does one piece of work after the other, each as one of several.

    It is switched to with a piece, or to go on, and gives None where the piece pauses and a
    tuple of what it has returned in the end.
    """

    def run(self, job: Callable[[], Any]) -> None:
        assert self.parent is not None
        while True:
            ended = (job(),)
            del job  # which holds a picture, and the next one may come late
            job = self.parent.switch(ended)
            del ended


def is_interleaved() -> bool:
    """Return whether the calling piece of work takes turns with others."""
    return isinstance(getcurrent(), _JobGreenlet)


def yield_turn() -> None:
    """Let the others have their turn; nothing happens where there are none."""
    turn = getcurrent()
    if isinstance(turn, _JobGreenlet):
        assert turn.parent is not None
        turn.parent.switch(None)


class Interleaver(Generic[T]):
    """Takes pieces of work through their stages side by side.

    What a piece runs in is kept for the next one: the interpreter asks the system for memory for
    each that is new, and gives it back afterwards.
    """

    __slots__ = ("_idle",)

    def __init__(self) -> None:
        self._idle: list[_JobGreenlet] = []

    def run_all(self, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """Return what each piece returns; each goes as far as its next ``pause`` in a turn.

        Raises:
            BaseException: What a piece raises; the others are left where they are.
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
