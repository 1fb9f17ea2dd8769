"""The loop of a worker process, which answers the requests of the service that started it.

In its own process a detector has the whole interpreter, and a crash (lack of memory, a bug in a
decoder) affects only the current image.
"""

import errno
import gc
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from phiz.cancellation import WorkEndedError, checkpoint, set_check
from phiz.errors import OutOfMemoryError, PhizError, WorkerFaultError
from phiz.system.logs import make_extra
from phiz.system.malloc import trim_heap
from phiz.system.scheduling import set_batch_policy
from phiz.workers.interleave import Interleaver
from phiz.workers.protocol import WorkRequest, WorkResult, encode_message
from phiz.workers.reader import BatchRule, RequestReader

TaskHandler: TypeAlias = Callable[..., Any]
"""Takes the image bytes, the moment when the body was complete, and the arguments of a request."""
RequestCheck: TypeAlias = Callable[[WorkRequest], None]
"""Raises a WorkEndedError if nobody waits for a running request any more."""


class WorkerSetup(NamedTuple):
    """The parts of a ready worker.

    Attributes:
        handlers: The handlers by name.
        hello: The message to the service.
        after_ready: Called after this message and before the first request.
        loaders: Loaders by the name of a handler. They are called before it, with the arguments of
            the request. The time of a load is not that of the work, by which later requests are
            forecast.
    """

    handlers: Mapping[str, TaskHandler]
    hello: object
    after_ready: Callable[[], object] | None = None
    loaders: Mapping[str, Callable[..., object]] = MappingProxyType({})


OUT_OF_MEMORY_STATUS = errno.ENOMEM
"""The exit status of a worker whose memory was not enough for a request."""

READY_NUMBER = 0
"""The number of the first result, which has the hello message or the error of the start."""

# Requests after which free memory between live blocks is returned to the system. Images of many
# sizes leave ever more of it. An idle worker does so sooner.
TRIM_AFTER = 1000
TRIM_IDLE_AFTER = 100

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
            setup = set_up()
        except PhizError as error:
            _send_results(connection, WorkResult(READY_NUMBER, error=error))
            return
        set_batch_policy()
        gc.freeze()  # the collector need not traverse the objects of the setup again
        _send_results(connection, WorkResult(READY_NUMBER, setup.hello))
        if setup.after_ready is not None:
            setup.after_ready()
        trimmer = _HeapTrimmer()
        reader = RequestReader(connection, is_batchable, trimmer.trim_while_idle)
        interleaver: Interleaver[WorkResult] = Interleaver()
        while batch := reader.read_batch():
            results = _run_batch(setup, batch, interleaver, reader.check_request)
            _send_results(connection, *results)
            if any(isinstance(result.error, OutOfMemoryError) for result in results):
                os._exit(OUT_OF_MEMORY_STATUS)  # what is left of the heap may never fit again
            trimmer.count_requests(len(batch))
            del batch, results  # an idle worker would keep its last images


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


def _run_batch(
    setup: WorkerSetup,
    requests: Sequence[tuple[WorkRequest, bytes]],
    interleaver: Interleaver[WorkResult],
    check: RequestCheck,
) -> list[WorkResult]:
    """Return the results of requests, in their order."""
    started = time.perf_counter()
    jobs = [
        partial(_run_request, setup, request, image_bytes, check)
        for request, image_bytes in requests
    ]
    if len(jobs) == 1:
        return [jobs[0]()]
    results = interleaver.run_all(jobs)
    work_s = (time.perf_counter() - started) / len(requests)
    return [result._replace(work_s=work_s) for result in results]


def _run_request(
    setup: WorkerSetup, request: WorkRequest, image_bytes: bytes, check: RequestCheck
) -> WorkResult:
    """Return the result of a request. Its deadline may have passed before it begins."""
    set_check(partial(check, request))
    value: object = None
    error: Exception | None = None
    started = time.perf_counter()
    try:
        checkpoint()
        if load := setup.loaders.get(request.handler):
            load(*request.arguments)
            started = time.perf_counter()
        handler = setup.handlers[request.handler]
        value = handler(image_bytes, request.received_at_s, *request.arguments)
    except WorkEndedError as ended:
        error = ended.reason
    except PhizError as failure:
        error = failure
    except MemoryError as failure:
        _log.error(
            "the memory was not enough for the request %r; ending this worker: %s",
            *(request.handler, failure or "no more is known"),
            extra=make_extra({"request": request.request_id}),
        )
        error = OutOfMemoryError(
            "the memory of the service is not enough for this image now; send a smaller image, or"
            " try again in a moment"
        )
    except Exception:  # noqa: BLE001  the worker must survive any error
        _log.exception(
            "the request %r failed",
            request.handler,
            extra=make_extra({"request": request.request_id}),
        )
        error = WorkerFaultError("the worker failed; the log of the service has the details")
    return WorkResult(request.number, value, error, time.perf_counter() - started)


def _send_results(connection: socket.socket, *messages: WorkResult) -> None:
    pieces = [piece for message in messages for piece in encode_message(message)]
    if len(pieces) == len(messages):
        connection.sendall(b"".join(pieces))
        return
    for piece in pieces:  # some are large, and need no copy
        connection.sendall(piece)


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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
