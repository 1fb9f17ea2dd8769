"""Ends connections whose clients do not read their answers."""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MIN_READ_RATE: Final = 240  # bytes per second
READ_WINDOW_S: Final = 5.0
_CHECK_S: Final = 1.0


@dataclass(slots=True)
class _Reading:
    """How much a client has read since a moment."""

    since_s: float
    pending_bytes: int
    read_bytes: int = 0


class ReaderWatch:
    """Looks at all connections each second, and aborts those of clients that do not read.

    While an answer is pending, each ``READ_WINDOW_S`` must have ``MIN_READ_RATE`` on average. An
    answer that its client reads at once costs nothing here, because it leaves nothing pending.
    """

    def __init__(
        self, connections: Collection[HttpToolsProtocol], on_end: Callable[[], None]
    ) -> None:
        """Return a watch that calls ``on_end`` for each connection that it ends."""
        self._connections = connections
        self._on_end = on_end
        self._readings: dict[HttpToolsProtocol, _Reading] = {}

    def check(self) -> None:
        """Look at all connections now and from now on, in the running loop."""
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._readings = {
            connection: self._measure(connection, now_s)
            for connection in self._connections
            if connection.transport.get_write_buffer_size()
        }
        for connection, reading in tuple(self._readings.items()):
            if now_s - reading.since_s < READ_WINDOW_S:
                continue
            if reading.read_bytes < MIN_READ_RATE * (now_s - reading.since_s):
                del self._readings[connection]
                self._on_end()
                connection.transport.abort()
            else:
                self._readings[connection] = _Reading(now_s, reading.pending_bytes)
        loop.call_later(_CHECK_S, self.check)

    def _measure(self, connection: HttpToolsProtocol, now_s: float) -> _Reading:
        """Return how much a client has read, up to now."""
        pending_bytes = count_pending_bytes(connection.transport)
        reading = self._readings.get(connection)
        if reading is None:
            return _Reading(now_s, pending_bytes)
        reading.read_bytes += max(0, reading.pending_bytes - pending_bytes)
        reading.pending_bytes = pending_bytes
        return reading


def count_pending_bytes(transport: asyncio.Transport) -> int:
    """Return the bytes that the client's system has not confirmed, here and in the kernel.

    The kernel takes more only when a good part of its buffer is free, so the bytes that are here
    alone would stay the same for a long time.
    """
    try:
        fd = transport.get_extra_info("socket").fileno()
        (queued,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
    except OSError:  # closed meanwhile, or a system without this count
        queued = 0
    return transport.get_write_buffer_size() + int(queued)
