"""A worker: a process that does one piece of work after the other, for the service that began it.

In a process of its own a detector has the interpreter to itself, and what ends it (memory that
runs out, a decoder's crash) ends nothing but the picture it was working on.
"""

import gc
import logging
import signal
import socket
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from phiz.crew.calls import Call, Decoder, Outcome, Withdrawal, encode
from phiz.errors import PhizError, WorkerFaultError
from phiz.scheduling import run_in_batches

Work: TypeAlias = Callable[..., Any]
"""Takes the picture and the arguments of a call."""

READY = 0
"""The number of the first outcome, which says that a worker is ready, or why it is not."""

_CHUNK = 1 << 18
_log = logging.getLogger(__name__)


def run(connection: socket.socket, prepare: Callable[[], tuple[Mapping[str, Work], Any]]) -> None:
    """Prepare, say so, and work until the other end is closed.

    Args:
        connection: To the service.
        prepare: Returns the work by its name, and what the service is told of it.
    """
    _leave_signals_to_the_service()
    with connection, suppress(ConnectionError):  # the service has gone, and so do we
        try:
            works, told = prepare()
        except PhizError as error:
            _send(connection, Outcome(READY, error=error))
            return
        run_in_batches()
        gc.freeze()  # what is here now stays; the collector need not look through it again
        _send(connection, Outcome(READY, told))
        calls = Calls(connection)
        while (waiting := calls.next()) is not None:
            call, picture = waiting
            _send(connection, _outcome(works[call.name], call, picture))


class Calls:
    """The calls of a service, in their order."""

    __slots__ = ("_connection", "_decoder", "_waiting", "_withdrawn")

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._decoder = Decoder()
        self._waiting: deque[tuple[Call, bytes]] = deque()
        self._withdrawn: set[int] = set()

    def next(self) -> tuple[Call, bytes] | None:
        """Return the next call with its picture, or None once the service has gone.

        One that was withdrawn in time is answered for here and not returned.
        """
        while True:
            if not self._receive():
                return None
            while self._waiting:
                call, picture = self._waiting.popleft()
                if call.number not in self._withdrawn:
                    return call, picture
                self._withdrawn.remove(call.number)
                _send(self._connection, Outcome(call.number))

    def _receive(self) -> bool:
        """Take in what has come; wait for it if nothing else is to do.

        Returns:
            Whether the service is still there.
        """
        flags = socket.MSG_DONTWAIT if self._waiting else 0
        while True:
            try:
                received = self._connection.recv(_CHUNK, flags)
            except BlockingIOError:
                return True
            if not received:
                return False
            for message, picture in self._decoder.feed(received):
                if isinstance(message, Withdrawal):
                    # Too late for one that has been answered for; numbers are not used again.
                    if any(call.number == message.number for call, _ in self._waiting):
                        self._withdrawn.add(message.number)
                else:
                    self._waiting.append((message, picture))
            if self._waiting:
                flags = socket.MSG_DONTWAIT


def _outcome(work: Work, call: Call, picture: bytes) -> Outcome:
    try:
        return Outcome(call.number, work(picture, *call.arguments))
    except PhizError as error:
        return Outcome(call.number, error=error)
    except Exception:  # noqa: BLE001  whatever it is, the next piece of work is another
        _log.exception("the work %r failed", call.name)
        return Outcome(call.number, error=WorkerFaultError("the log of the service tells what"))


def _send(connection: socket.socket, message: Outcome) -> None:
    connection.sendall(b"".join(encode(message)))


def _leave_signals_to_the_service() -> None:
    """Ignore what is sent to a whole group of processes: the service ends us when it is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
