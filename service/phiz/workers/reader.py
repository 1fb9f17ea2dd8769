"""The requests of a worker, from the socket to the service."""

import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from phiz.cancellation import WorkEndedError
from phiz.errors import DeadlineError
from phiz.workers.protocol import (
    MessageDecoder,
    WorkCancel,
    WorkPing,
    WorkRequest,
    WorkResult,
    encode_message,
)

BatchRule: TypeAlias = Callable[[WorkRequest, bytes], bool]
"""Whether a request may be interleaved with others: it is short and needs little memory."""

# Twice as many interleaved requests gain little, and the first waits for the last.
MAX_BATCH = 8
IDLE_TIMEOUT_S = 1.0
# While requests run, the socket is read this often. Each time costs about 2 µs.
LOOK_INTERVAL_S = 0.01

_CHUNK_BYTES = 1 << 18
_IDLE_US = round(1e6 * IDLE_TIMEOUT_S)


class RequestReader:
    """Reads the requests of the service in their order, and its messages while they run."""

    __slots__ = (
        "_cancelled",
        "_connection",
        "_decoder",
        "_is_batchable",
        "_next_look_s",
        "_on_idle",
        "_pending",
        "_running",
    )

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
        self._running: list[tuple[WorkRequest, bytes]] = []
        self._cancelled: set[int] = set()
        self._next_look_s = 0.0

    def read_batch(self) -> list[tuple[WorkRequest, bytes]]:
        """Return the next request with its image, and those behind it that are interleaved with it.

        Cancelled requests get an empty result. The batch is empty after the end of the service.
        """
        self._cancelled.difference_update(request.number for request, _ in self._running)
        self._running = []
        while self._receive_messages():
            while self._pending and self._pending[0][0].number in self._cancelled:
                request, _ = self._pending.popleft()
                self._cancelled.remove(request.number)
                self._send(WorkResult(request.number))
            if self._pending:
                self._running = self._pop_batch()
                self._next_look_s = time.perf_counter() + LOOK_INTERVAL_S
                return self._running
        return []

    def check_request(self, request: WorkRequest) -> None:
        """End a running request if nobody waits for it. The messages of the service are read.

        Raises:
            WorkEndedError: Its deadline has passed, or it was cancelled.
        """
        now = time.perf_counter()
        if now - request.received_at_s > request.deadline_s:
            raise WorkEndedError(DeadlineError.from_limit(request.deadline_s))
        if now >= self._next_look_s:
            self._next_look_s = now + LOOK_INTERVAL_S
            with suppress(BlockingIOError):
                self._take_messages(self._connection.recv(_CHUNK_BYTES, socket.MSG_DONTWAIT))
        if request.number in self._cancelled:
            raise WorkEndedError

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
            self._take_messages(received)
            if self._pending:
                flags = socket.MSG_DONTWAIT

    def _take_messages(self, received: bytes) -> None:
        """Take messages from received bytes."""
        for message, image_bytes in self._decoder.feed(received):
            match message:
                case WorkRequest():
                    self._pending.append((message, image_bytes))
                case WorkCancel(number):
                    # It may have been answered already. Numbers are not reused.
                    known = (*self._running, *self._pending)
                    if any(request.number == number for request, _ in known):
                        self._cancelled.add(number)
                case WorkPing():
                    self._send(message)
                    self._note_ping()
                case _:
                    raise AssertionError("the service sends nothing else")

    def _note_ping(self) -> None:
        """Note that the worker was idle if nothing but pings has come for a while."""
        is_busy = self._running or self._pending
        if not is_busy and time.perf_counter() > self._next_look_s + IDLE_TIMEOUT_S:
            self._on_idle()

    def _send(self, message: WorkResult | WorkPing) -> None:
        self._connection.sendall(b"".join(encode_message(message)))
