from functools import partial

import pytest

from phiz.crew.turns import pause, take_turns


def stages(seen: list[str], name: str, count: int) -> str:
    for stage in range(count):
        seen.append(f"{name}{stage}")
        pause()
    return name


def test_pieces_go_through_their_stages_side_by_side() -> None:
    seen: list[str] = []
    pieces = [partial(stages, seen, name, count) for name, count in (("a", 2), ("b", 3), ("c", 0))]
    results = take_turns(pieces)
    assert results == ["a", "b", "c"]
    assert seen == ["a0", "b0", "a1", "b1", "b2"]


def test_a_piece_alone_pauses_for_nobody() -> None:
    seen: list[str] = []
    assert stages(seen, "a", 2) == "a"
    assert seen == ["a0", "a1"]


def test_nothing_to_do_is_done_at_once() -> None:
    assert take_turns([]) == []


def test_an_error_is_passed_on() -> None:
    def fail() -> None:
        pause()
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        take_turns([fail, pause])
