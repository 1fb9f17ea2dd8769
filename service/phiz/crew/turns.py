"""Pieces of work that take turns, stage by stage.

One after the other, each stage of a piece of work finds the caches as another stage has left
them. Side by side, all pieces go through the same stage in a row.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class _Turn(greenlet):
    """A piece of work that is one of several."""


def pause() -> None:
    """Let the others have their turn; nothing happens where there are none."""
    turn = getcurrent()
    if isinstance(turn, _Turn):
        assert turn.parent is not None
        turn.parent.switch()


def take_turns(pieces: Sequence[Callable[[], T]]) -> list[T]:
    """Return what each piece returns; each goes as far as its next ``pause`` in a turn.

    Raises:
        BaseException: What a piece raises; the others are left where they are.
    """
    results: dict[int, T] = {}
    turns = {place: _Turn(piece) for place, piece in enumerate(pieces)}
    while turns:
        for place, turn in tuple(turns.items()):
            value = turn.switch()
            if turn.dead:
                results[place] = value
                del turns[place]
    return [results[place] for place in range(len(pieces))]
