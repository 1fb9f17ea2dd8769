"""An early answer, which reaches a client that is still sending its body."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

# A shorter rest of a body is read and discarded, because a new connection would cost more.
MAX_DISCARDED_BYTES: Final = 256 * 1024
LINGER_TIMEOUT_S: Final = 5.0


class LingeringTransport(asyncio.Transport):
    """Transport of an early answer. Instead of closing, the connection lingers."""

    def __init__(self, transport: asyncio.Transport, on_close: Callable[[], None]) -> None:
        """Return a transport that calls ``on_close`` instead of closing."""
        super().__init__()
        self._transport = transport
        self._on_close = on_close

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a part of the answer."""
        self._transport.write(data)

    def is_closing(self) -> bool:
        """Return whether the connection is being closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Let the connection linger."""
        self._on_close()


def is_body_short(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether a body is so short that its rest may be discarded."""
    length = headers.get(b"content-length", b"")
    return length.isdigit() and int(length) <= MAX_DISCARDED_BYTES
