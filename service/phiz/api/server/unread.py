"""Requests that wait behind the answer to another one of their connection (pipelining)."""

import asyncio
import select
from dataclasses import dataclass
from typing import Final

from phiz.api.server.request_head import build_unread_error

MAX_UNREAD_BYTES: Final = 1024 * 1024
MAX_READ_AHEAD_BYTES: Final = 64 * 1024  # of one connection, beside what one read brings


@dataclass(slots=True)
class UnreadBudget:
    """The bytes that all connections together may hold.

    Attributes:
        max_bytes: Their limit.
        held_bytes: How many they hold.
    """

    max_bytes: int = MAX_UNREAD_BYTES
    held_bytes: int = 0


class UnreadBytes:
    """The bytes that one connection has received and not read."""

    __slots__ = ("_budget", "_content")

    def __init__(self, budget: UnreadBudget) -> None:
        """Hold nothing."""
        self._budget = budget
        self._content = b""

    def __len__(self) -> int:
        """Return their number."""
        return len(self._content)

    def add(self, data: bytes) -> None:
        """Hold more.

        Raises:
            RequestHeadError: All connections together hold too many. This one then holds none.
        """
        content = self._content + data
        self.take()
        if self._budget.held_bytes + len(content) > self._budget.max_bytes:
            raise build_unread_error(self._budget.max_bytes)
        self._content = content
        self._budget.held_bytes += len(content)

    def take(self) -> bytes:
        """Return all, and hold none."""
        content, self._content = self._content, b""
        self._budget.held_bytes -= len(content)
        return content


def has_unread_bytes(transport: asyncio.BaseTransport) -> bool:
    """Return whether bytes, or the end of the connection, wait in the system to be read."""
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))
