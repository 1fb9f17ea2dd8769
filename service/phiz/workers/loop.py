"""A worker: a process that does one piece of work after the other, for the service that began it.

In a process of its own a detector has the interpreter to itself, and what ends it (memory that
runs out, a decoder's crash) ends nothing but the picture it was working on.
"""

import gc
import logging
import os
import select
import signal
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any, NamedTuple, TypeAlias

from phiz.errors import PhizError, WorkerFaultError
from phiz.system.logs import extra
from phiz.system.malloc import give_back
from phiz.system.scheduling import run_in_batches
from phiz.workers.interleave import Turns
from phiz.workers.protocol import Call, Decoder, Outcome, Withdrawal, encode

Work: TypeAlias = Callable[..., Any]
"""Takes the picture, since when it has waited, and the arguments of a call."""
Joins: TypeAlias = Callable[[Call, bytes], bool]
"""Whether a call may be done side by side with others: it is short, and holds little memory."""


class Prepared(NamedTuple):
    """What a worker is once it can work.

    Attributes:
        works: What it can do, by name.
        told: What the service is told of it.
        afterwards: What it does once it has said that it is ready, before its first call: what
            few callers need, and nobody has to wait for.
    """

    works: Mapping[str, Work]
    told: object
    afterwards: Callable[[], object] | None = None


READY = 0
"""The number of the first outcome, which says that a worker is ready, or why it is not."""

# So many calls are done side by side at most; twice as many gain little more, and the first
# of them waits for the last.
SIDE_BY_SIDE = 8

# After so many calls the free memory between what stays is given back: pictures of many sizes leave
# ever more of it. Who has nothing to do for a while does so sooner.
TIDY_AFTER = 1000
TIDY_IDLE_AFTER = 100
IDLE_S = 1.0

_CHUNK = 1 << 18
_IDLE_US = round(1e6 * IDLE_S)
_log = logging.getLogger(__name__)


def never(_call: Call, _picture: bytes) -> bool:
    """Let no call join others."""
    return False


def run(
    connection: socket.socket,
    prepare: Callable[[], Prepared],
    joins: Joins = never,
) -> None:
    """Prepare, say so, and work until the other end is closed.

    Args:
        connection: To the service.
        prepare: Loads what it works with.
        joins: Which calls are done side by side if they wait together; their work calls
            ``pause`` between its stages.
    """
    _leave_signals_to_the_service()
    Thread(target=_end_with, args=(connection.fileno(),), daemon=True).start()
    with connection, suppress(ConnectionError):  # the service has gone, and so do we
        try:
            works, told, afterwards = prepare()
        except PhizError as error:
            _send(connection, Outcome(READY, error=error))
            return
        run_in_batches()
        gc.freeze()  # what is here now stays; the collector need not look through it again
        _send(connection, Outcome(READY, told))
        if afterwards is not None:
            afterwards()
        tidying = _Tidying()
        calls = Calls(connection, joins, tidying.idle)
        turns: Turns[Outcome] = Turns()
        while together := calls.next():
            _send(connection, *_outcomes(works, together, turns))
            tidying.done(len(together))


class _Tidying:
    """Gives free memory back, now and then."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls = 0  # since then

    def done(self, calls: int) -> None:
        """Tidy up if so many calls more have left enough behind."""
        self._calls += calls
        self._tidy(TIDY_AFTER)

    def idle(self) -> None:
        """Tidy up while nobody waits."""
        self._tidy(TIDY_IDLE_AFTER)

    def _tidy(self, after: int) -> None:
        if self._calls >= after:
            give_back()
            self._calls = 0


class Calls:
    """The calls of a service, in their order."""

    __slots__ = ("_connection", "_decoder", "_idle", "_joins", "_waiting", "_withdrawn")

    def __init__(self, connection: socket.socket, joins: Joins, idle: Callable[[], None]) -> None:
        """Wait for the first.

        Args:
            connection: To the service.
            joins: Which calls may be done side by side.
            idle: Called when none has come for a while, and each such while again.
        """
        # With a timeout of Python's own each call would cost a further question to the system.
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", *divmod(_IDLE_US, 10**6))
        )
        self._connection = connection
        self._idle = idle
        self._joins = joins
        self._decoder = Decoder()
        self._waiting: deque[tuple[Call, bytes]] = deque()
        self._withdrawn: set[int] = set()

    def next(self) -> list[tuple[Call, bytes]]:
        """Return the next call with its picture, and those behind it that join it.

        One that was withdrawn in time is answered for here and not returned.

        Returns:
            Nothing once the service has gone.
        """
        while self._receive():
            while self._waiting and self._waiting[0][0].number in self._withdrawn:
                call, _ = self._waiting.popleft()
                self._withdrawn.remove(call.number)
                _send(self._connection, Outcome(call.number))
            if self._waiting:
                return self._together()
        return []

    def _together(self) -> list[tuple[Call, bytes]]:
        together = [self._waiting.popleft()]
        if self._waiting and self._joining(*together[0]):
            while (
                self._waiting
                and len(together) < SIDE_BY_SIDE
                and self._waiting[0][0].number not in self._withdrawn
                and self._joining(*self._waiting[0])
            ):
                together.append(self._waiting.popleft())
        return together

    def _joining(self, call: Call, picture: bytes) -> bool:
        return not call.alone and self._joins(call, picture)

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
                if self._waiting:
                    return True
                self._idle()
                continue
            if not received:
                return False
            for message, picture in self._decoder.feed(received):
                if isinstance(message, Withdrawal):
                    # Too late for one that has been answered for; numbers are not used again.
                    if any(call.number == message.number for call, _ in self._waiting):
                        self._withdrawn.add(message.number)
                else:
                    assert isinstance(message, Call), "the service says nothing else"
                    self._waiting.append((message, picture))
            if self._waiting:
                flags = socket.MSG_DONTWAIT


def _outcomes(
    works: Mapping[str, Work], calls: Sequence[tuple[Call, bytes]], turns: Turns[Outcome]
) -> list[Outcome]:
    """Do calls side by side and return what became of each, in their order."""
    started = time.perf_counter()
    pieces = [partial(_outcome, works[call.name], call, picture) for call, picture in calls]
    outcomes = turns.take(pieces) if len(pieces) > 1 else [pieces[0]()]
    seconds = (time.perf_counter() - started) / len(calls)
    return [outcome._replace(seconds=seconds) for outcome in outcomes]


def _outcome(work: Work, call: Call, picture: bytes) -> Outcome:
    try:
        return Outcome(call.number, work(picture, call.since, *call.arguments))
    except PhizError as error:
        return Outcome(call.number, error=error)
    except Exception:  # noqa: BLE001  whatever it is, the next piece of work is another
        _log.exception("the work %r failed", call.name, extra=extra({"request": call.request}))
        return Outcome(call.number, error=WorkerFaultError("the log of the service tells what"))


def _send(connection: socket.socket, *messages: Outcome) -> None:
    connection.sendall(b"".join(piece for message in messages for piece in encode(message)))


def _end_with(connection: int) -> None:
    """End this process when the other end of a socket is closed, whatever it is at.

    Nobody could be told of that any more, and a large picture would keep it for seconds.
    """
    other_end = select.poll()
    other_end.register(connection, 0)  # that it is closed is told in any case
    other_end.poll()
    os._exit(0)


def _leave_signals_to_the_service() -> None:
    """Ignore what is sent to a whole group of processes: the service ends us when it is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
