from functools import partial

import pytest
from greenlet import getcurrent, greenlet

from phiz.workers.interleave import Interleaver, is_interleaved, yield_turn


def stages(seen: list[str], name: str, count: int) -> str:
    for stage in range(count):
        seen.append(f"{name}{stage}")
        yield_turn()
    return name


def test_pieces_go_through_their_stages_side_by_side() -> None:
    seen: list[str] = []
    pieces = [partial(stages, seen, name, count) for name, count in (("a", 2), ("b", 3), ("c", 0))]
    turns: Interleaver[str] = Interleaver()
    assert turns.run_all(pieces) == ["a", "b", "c"]
    assert seen == ["a0", "b0", "a1", "b1", "b2"]


def test_greenlets_are_used_again() -> None:
    turns: Interleaver[greenlet] = Interleaver()
    once = turns.run_all([getcurrent, getcurrent])
    again = turns.run_all([getcurrent, getcurrent, getcurrent])
    assert len(set(once)) == 2
    assert set(once) < set(again)


def test_a_piece_alone_pauses_for_nobody() -> None:
    seen: list[str] = []
    assert stages(seen, "a", 2) == "a"
    assert seen == ["a0", "a1"]


def test_pieces_take_turns_only_side_by_side() -> None:
    assert Interleaver[bool]().run_all([is_interleaved, is_interleaved]) == [True, True]
    assert not is_interleaved()


def test_run_of_no_pieces_is_empty() -> None:
    assert Interleaver[str]().run_all([]) == []


def test_an_error_is_passed_on() -> None:
    def fail() -> None:
        yield_turn()
        raise ZeroDivisionError

    turns: Interleaver[None] = Interleaver()
    with pytest.raises(ZeroDivisionError):
        turns.run_all([fail, yield_turn])
    seen: list[str] = []
    turns.run_all([lambda: seen.append("a"), lambda: seen.append("b")])
    assert seen == ["a", "b"]
