from functools import partial

import pytest
from greenlet import getcurrent, greenlet

from phiz.workers.interleave import Turns, pause


def stages(seen: list[str], name: str, count: int) -> str:
    for stage in range(count):
        seen.append(f"{name}{stage}")
        pause()
    return name


def test_pieces_go_through_their_stages_side_by_side() -> None:
    seen: list[str] = []
    pieces = [partial(stages, seen, name, count) for name, count in (("a", 2), ("b", 3), ("c", 0))]
    turns: Turns[str] = Turns()
    assert turns.take(pieces) == ["a", "b", "c"]
    assert seen == ["a0", "b0", "a1", "b1", "b2"]


def test_what_pieces_ran_in_is_used_again() -> None:
    turns: Turns[greenlet] = Turns()
    once = turns.take([getcurrent, getcurrent])
    again = turns.take([getcurrent, getcurrent, getcurrent])
    assert len(set(once)) == 2
    assert set(once) < set(again)


def test_a_piece_alone_pauses_for_nobody() -> None:
    seen: list[str] = []
    assert stages(seen, "a", 2) == "a"
    assert seen == ["a0", "a1"]


def test_nothing_to_do_is_done_at_once() -> None:
    assert Turns[str]().take([]) == []


def test_an_error_is_passed_on() -> None:
    def fail() -> None:
        pause()
        raise ZeroDivisionError

    turns: Turns[None] = Turns()
    with pytest.raises(ZeroDivisionError):
        turns.take([fail, pause])
    seen: list[str] = []
    turns.take([lambda: seen.append("a"), lambda: seen.append("b")])
    assert seen == ["a", "b"]
