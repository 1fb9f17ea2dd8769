"""The loop of a worker process, which answers the requests of the service that started it.

In its own process a detector has the whole interpreter, and a crash (lack of memory, a bug in a
decoder) affects only the current image.
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
"""Takes the image bytes, the moment when the body was complete, and the arguments of a request."""
BatchRule: TypeAlias = Callable[[WorkRequest, bytes], bool]
"""Whether a request may be interleaved with others: it is short and needs little memory."""


class WorkerSetup(NamedTuple):
    """The parts of a ready worker.

    Attributes:
        handlers: The handlers by name.
        hello: The message to the service.
        after_ready: Called after this message and before the first request.
    """

    handlers: Mapping[str, TaskHandler]
    hello: object
    after_ready: Callable[[], object] | None = None


READY_NUMBER = 0
"""The number of the first result, which has the hello message or the error of the start."""

# Twice as many interleaved requests gain little, and the first waits for the last.
MAX_BATCH = 8

# Requests after which free memory between live blocks is returned to the system. Images of many
# sizes leave ever more of it. An idle worker does so sooner.
TRIM_AFTER = 1000
TRIM_IDLE_AFTER = 100
IDLE_TIMEOUT_S = 1.0

_CHUNK_BYTES = 1 << 18
_IDLE_US = round(1e6 * IDLE_TIMEOUT_S)
_log = logging.getLogger(__name__)


def is_never_batchable(_request: WorkRequest, _image_bytes: bytes) -> bool:
    """Return False for every request."""
    return False


def run_worker(
    connection: socket.socket,
    set_up: Callable[[], WorkerSetup],
    is_batchable: BatchRule = is_never_batchable,
) -> None:
    """Set up, report it, and answer requests until the service closes the connection.

    Args:
        connection: The socket to the service.
        set_up: Loads the handlers.
        is_batchable: Which requests are interleaved if they wait together. Their handlers call
            ``yield_turn`` between stages.
    """
    _ignore_signals()
    Thread(target=_exit_when_closed, args=(connection.fileno(),), daemon=True).start()
    with connection, suppress(ConnectionError):  # the service has ended
        try:
            handlers, hello, after_ready = set_up()
        except PhizError as error:
            _send_results(connection, WorkResult(READY_NUMBER, error=error))
            return
        set_batch_policy()
        gc.freeze()  # the collector need not traverse the objects of the setup again
        _send_results(connection, WorkResult(READY_NUMBER, hello))
        if after_ready is not None:
            after_ready()
        trimmer = _HeapTrimmer()
        reader = RequestReader(connection, is_batchable, trimmer.trim_while_idle)
        interleaver: Interleaver[WorkResult] = Interleaver()
        while batch := reader.read_batch():
            _send_results(connection, *_run_batch(handlers, batch, interleaver))
            trimmer.count_requests(len(batch))


class _HeapTrimmer:
    """Returns free memory to the system after some requests."""

    __slots__ = ("_requests",)

    def __init__(self) -> None:
        self._requests = 0  # since the last time

    def count_requests(self, count: int, trim_after: int = TRIM_AFTER) -> None:
        """Count requests, and return free memory after enough of them."""
        self._requests += count
        if self._requests >= trim_after:
            trim_heap()
            self._requests = 0

    def trim_while_idle(self) -> None:
        """Return free memory after fewer requests, because nobody waits."""
        self.count_requests(0, TRIM_IDLE_AFTER)


class RequestReader:
    """Reads the requests of the service in their order."""

    __slots__ = ("_cancelled", "_connection", "_decoder", "_is_batchable", "_on_idle", "_pending")

    def __init__(
        self, connection: socket.socket, is_batchable: BatchRule, on_idle: Callable[[], None]
    ) -> None:
        """Set the timeout of the connection.

        Args:
            connection: The socket to the service.
            is_batchable: Which requests may be interleaved.
            on_idle: Called whenever no request has arrived for a while.
        """
        # A timeout of Python's own would cost a further system call for each request.
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
        """Return the next request with its image, and those behind it that are interleaved with it.

        Cancelled requests get an empty result. The batch is empty after the end of the service.
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
        """Receive all available messages, waiting if no request is pending.

        Returns:
            False after the end of the service.
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
                    # It may have been answered already. Numbers are not reused.
                    if any(request.number == message.number for request, _ in self._pending):
                        self._cancelled.add(message.number)
                else:
                    assert isinstance(message, WorkRequest), "the service sends nothing else"
                    self._pending.append((message, image_bytes))
            if self._pending:
                flags = socket.MSG_DONTWAIT


def _run_batch(
    handlers: Mapping[str, TaskHandler],
    requests: Sequence[tuple[WorkRequest, bytes]],
    interleaver: Interleaver[WorkResult],
) -> list[WorkResult]:
    """Return the results of requests, in their order."""
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
    except Exception:  # noqa: BLE001  the worker must survive any error
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
    """End this process when the other end of a socket is closed, even during a request.

    Its result could not be sent, and a large image would take seconds.
    """
    other_end = select.poll()
    other_end.register(descriptor, 0)  # closing is always reported
    other_end.poll()
    os._exit(0)


def _ignore_signals() -> None:
    """Ignore signals to the whole process group: the service ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
