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
from phiz.system.logs import make_extra
from phiz.system.malloc import trim_heap
from phiz.system.scheduling import set_batch_policy
from phiz.workers.interleave import Interleaver
from phiz.workers.protocol import (
    MessageDecoder,
    WorkCancel,
    WorkRequest,
    WorkResult,
    encode_message,
)

TaskHandler: TypeAlias = Callable[..., Any]
"""Takes the picture, since when it has waited, and the arguments of a call."""
BatchRule: TypeAlias = Callable[[WorkRequest, bytes], bool]
"""Whether a call may be done side by side with others: it is short, and holds little memory."""


class WorkerSetup(NamedTuple):
    """What a worker is once it can work.

    Attributes:
        handlers: What it can do, by name.
        hello: What the service is told of it.
        after_ready: What it does once it has said that it is ready, before its first call: what
            few callers need, and nobody has to wait for.
    """

    handlers: Mapping[str, TaskHandler]
    hello: object
    after_ready: Callable[[], object] | None = None


READY_NUMBER = 0
"""The number of the first outcome, which says that a worker is ready, or why it is not."""

# So many calls are done side by side at most; twice as many gain little more, and the first
# of them waits for the last.
MAX_BATCH = 8

# After so many calls the free memory between what stays is given back: pictures of many sizes leave
# ever more of it. Who has nothing to do for a while does so sooner.
TRIM_AFTER = 1000
TRIM_IDLE_AFTER = 100
IDLE_TIMEOUT_S = 1.0

_CHUNK_BYTES = 1 << 18
_IDLE_US = round(1e6 * IDLE_TIMEOUT_S)
_log = logging.getLogger(__name__)


def is_never_batchable(_request: WorkRequest, _image_bytes: bytes) -> bool:
    """Let no call join others."""
    return False


def run_worker(
    connection: socket.socket,
    set_up: Callable[[], WorkerSetup],
    is_batchable: BatchRule = is_never_batchable,
) -> None:
    """Prepare, say so, and work until the other end is closed.

    Args:
        connection: To the service.
        set_up: Loads what it works with.
        is_batchable: Which calls are done side by side if they wait together; their work calls
            ``pause`` between its stages.
    """
    _ignore_signals()
    Thread(target=_exit_when_closed, args=(connection.fileno(),), daemon=True).start()
    with connection, suppress(ConnectionError):  # the service has gone, and so do we
        try:
            handlers, hello, after_ready = set_up()
        except PhizError as error:
            _send_results(connection, WorkResult(READY_NUMBER, error=error))
            return
        set_batch_policy()
        gc.freeze()  # what is here now stays; the collector need not look through it again
        _send_results(connection, WorkResult(READY_NUMBER, hello))
        if after_ready is not None:
            after_ready()
        tidying = _HeapTrimmer()
        reader = RequestReader(connection, is_batchable, tidying.trim_while_idle)
        interleaver: Interleaver[WorkResult] = Interleaver()
        while batch := reader.read_batch():
            _send_results(connection, *_run_batch(handlers, batch, interleaver))
            tidying.count_requests(len(batch))


class _HeapTrimmer:
    """Gives free memory back, now and then."""

    __slots__ = ("_requests",)

    def __init__(self) -> None:
        self._requests = 0  # since then

    def count_requests(self, count: int) -> None:
        """Tidy up if so many calls more have left enough behind."""
        self._requests += count
        self._trim_after(TRIM_AFTER)

    def trim_while_idle(self) -> None:
        """Tidy up while nobody waits."""
        self._trim_after(TRIM_IDLE_AFTER)

    def _trim_after(self, requests: int) -> None:
        if self._requests >= requests:
            trim_heap()
            self._requests = 0


class RequestReader:
    """The calls of a service, in their order."""

    __slots__ = ("_cancelled", "_connection", "_decoder", "_is_batchable", "_on_idle", "_pending")

    def __init__(
        self, connection: socket.socket, is_batchable: BatchRule, on_idle: Callable[[], None]
    ) -> None:
        """Wait for the first.

        Args:
            connection: To the service.
            is_batchable: Which calls may be done side by side.
            on_idle: Called when none has come for a while, and each such while again.
        """
        # With a timeout of Python's own each call would cost a further question to the system.
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", *divmod(_IDLE_US, 10**6))
        )
        self._connection = connection
        self._on_idle = on_idle
        self._is_batchable = is_batchable
        self._decoder = MessageDecoder()
        self._pending: deque[tuple[WorkRequest, bytes]] = deque()
        self._cancelled: set[int] = set()

    def read_batch(self) -> list[tuple[WorkRequest, bytes]]:
        """Return the next call with its picture, and those behind it that join it.

        One that was cancelled in time is answered for here and not returned.

        Returns:
            Nothing once the service has gone.
        """
        while self._receive_messages():
            while self._pending and self._pending[0][0].number in self._cancelled:
                request, _ = self._pending.popleft()
                self._cancelled.remove(request.number)
                _send_results(self._connection, WorkResult(request.number))
            if self._pending:
                return self._pop_batch()
        return []

    def _pop_batch(self) -> list[tuple[WorkRequest, bytes]]:
        batch = [self._pending.popleft()]
        if self._pending and self._can_batch(*batch[0]):
            while (
                self._pending
                and len(batch) < MAX_BATCH
                and self._pending[0][0].number not in self._cancelled
                and self._can_batch(*self._pending[0])
            ):
                batch.append(self._pending.popleft())
        return batch

    def _can_batch(self, request: WorkRequest, image_bytes: bytes) -> bool:
        return not request.exclusive and self._is_batchable(request, image_bytes)

    def _receive_messages(self) -> bool:
        """Take in what has come; wait for it if nothing else is to do.

        Returns:
            Whether the service is still there.
        """
        flags = socket.MSG_DONTWAIT if self._pending else 0
        while True:
            try:
                received = self._connection.recv(_CHUNK_BYTES, flags)
            except BlockingIOError:
                if self._pending:
                    return True
                self._on_idle()
                continue
            if not received:
                return False
            for message, image_bytes in self._decoder.feed(received):
                if isinstance(message, WorkCancel):
                    # Too late for one that has been answered for; numbers are not used again.
                    if any(request.number == message.number for request, _ in self._pending):
                        self._cancelled.add(message.number)
                else:
                    assert isinstance(message, WorkRequest), "the service says nothing else"
                    self._pending.append((message, image_bytes))
            if self._pending:
                flags = socket.MSG_DONTWAIT


def _run_batch(
    handlers: Mapping[str, TaskHandler],
    requests: Sequence[tuple[WorkRequest, bytes]],
    interleaver: Interleaver[WorkResult],
) -> list[WorkResult]:
    """Do calls side by side and return what became of each, in their order."""
    started = time.perf_counter()
    jobs = [
        partial(_run_request, handlers[request.handler], request, image_bytes)
        for request, image_bytes in requests
    ]
    results = interleaver.run_all(jobs) if len(jobs) > 1 else [jobs[0]()]
    work_s = (time.perf_counter() - started) / len(requests)
    return [result._replace(work_s=work_s) for result in results]


def _run_request(handler: TaskHandler, request: WorkRequest, image_bytes: bytes) -> WorkResult:
    try:
        return WorkResult(
            request.number, handler(image_bytes, request.received_at_s, *request.arguments)
        )
    except PhizError as error:
        return WorkResult(request.number, error=error)
    except Exception:  # noqa: BLE001  whatever it is, the next piece of work is another
        _log.exception(
            "the request %r failed",
            request.handler,
            extra=make_extra({"request": request.request_id}),
        )
        return WorkResult(
            request.number,
            error=WorkerFaultError("the worker failed; the log of the service has the details"),
        )


def _send_results(connection: socket.socket, *messages: WorkResult) -> None:
    connection.sendall(b"".join(piece for message in messages for piece in encode_message(message)))


def _exit_when_closed(descriptor: int) -> None:
    """End this process when the other end of a socket is closed, whatever it is at.

    Nobody could be told of that any more, and a large picture would keep it for seconds.
    """
    other_end = select.poll()
    other_end.register(descriptor, 0)  # that it is closed is told in any case
    other_end.poll()
    os._exit(0)


def _ignore_signals() -> None:
    """Ignore what is sent to a whole group of processes: the service ends us when it is done."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
