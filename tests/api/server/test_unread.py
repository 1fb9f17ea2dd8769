import asyncio
import socket
from collections.abc import Iterator

import pytest

from phiz.api.server.connection import Connection
from phiz.api.server.request_head import RequestHeadError
from phiz.api.server.unread import UnreadBudget, UnreadBytes, has_unread_bytes


class OpenTransport(asyncio.Transport):
    """The transport of a connected socket, which nothing reads."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__({"socket": connected})
        self.closed = False

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def pair() -> Iterator[tuple[OpenTransport, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield OpenTransport(ours), theirs


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


def test_bytes_and_the_end_of_a_connection_wait_to_be_read(
    pair: tuple[OpenTransport, socket.socket],
) -> None:
    transport, client = pair
    assert not has_unread_bytes(transport)
    client.sendall(b"GET")
    assert has_unread_bytes(transport)
    transport.get_extra_info("socket").recv(3)
    assert not has_unread_bytes(transport)
    client.shutdown(socket.SHUT_WR)
    assert has_unread_bytes(transport)


@pytest.mark.parametrize("has_request", [True, False])
def test_an_idle_connection_is_ended_only_without_an_unread_request(
    pair: tuple[OpenTransport, socket.socket], *, has_request: bool
) -> None:
    transport, client = pair
    if has_request:
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
    connection = Connection.__new__(Connection)
    connection.transport = transport
    connection.timeout_keep_alive_handler()
    assert transport.closed is not has_request
