import pytest

from phiz.api.server.request_head import RequestHeadError
from phiz.api.server.unread import UnreadBudget, UnreadBytes


def test_connections_share_the_bytes() -> None:
    budget = UnreadBudget(100)
    first, second = UnreadBytes(budget), UnreadBytes(budget)
    first.add(bytes(60))
    second.add(bytes(40))
    with pytest.raises(RequestHeadError, match="exceed the limit of 100 bytes, of all connections"):
        second.add(b"x")
    assert (bool(first), bool(second), budget.held_bytes) == (True, False, 60)
    second.add(bytes(40))


def test_taken_bytes_are_those_that_were_added() -> None:
    budget = UnreadBudget(100)
    unread = UnreadBytes(budget)
    assert not unread
    unread.add(b"one, ")
    unread.add(b"two")
    assert unread.take() == b"one, two"
    assert (bool(unread), budget.held_bytes, unread.take()) == (False, 0, b"")
