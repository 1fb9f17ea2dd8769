"""The service's end of a worker: its process, its connection and its tasks."""

import asyncio
import itertools
import subprocess
from collections import deque
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, cast

from phiz.errors import OutOfMemoryError, WorkerDiedError
from phiz.workers.latency import Workload
from phiz.workers.loop import READY_NUMBER
from phiz.workers.protocol import (
    MessageDecoder,
    WorkCancel,
    WorkPing,
    WorkRequest,
    WorkResult,
    encode_message,
)
from phiz.workers.vitals import WorkerVitals


class TaskOwner(NamedTuple):
    """The owner of a task.

    Attributes:
        client: Its client. Clients share the workers equally.
        request: Its request. The requests of a client take turns.
    """

    client: str = ""
    request: str = ""


NO_OWNER: Final = TaskOwner()


CHECKPOINT_INTERVAL_S: Final = 0.3
"""Seconds in which cancelled work mostly ends."""


@dataclass(slots=True, eq=False)
class WorkTask:
    """A request for a worker.

    Attributes:
        request: The request.
        image_bytes: Its image.
        workload: Everything that its time is forecast by.
        expected_s: The expected time.
        future: The result.
        owner: Its owner.
        lane: Its lane in the queue, by its expected time.
        is_background: Whether it begins while no other task waits.
        worker: Its worker, or None while it is queued.
        is_complete: Whether nobody waits for it any more.
        cancelled_s: When it was cancelled, by the loop's clock, or None.
    """

    request: WorkRequest
    image_bytes: bytes
    workload: Workload
    expected_s: float
    future: asyncio.Future[Any]
    owner: TaskOwner = NO_OWNER
    lane: int = 0
    is_background: bool = False
    worker: "WorkerHandle | None" = None
    is_complete: bool = False
    cancelled_s: float | None = None

    def estimate_left_s(self, elapsed_s: float, now: float) -> float:
        """Return the estimated seconds until the end of the task, which has begun."""
        if self.cancelled_s is not None:
            return max(CHECKPOINT_INTERVAL_S, now - self.cancelled_s)
        # A task that takes longer than expected may take as long again.
        return self.expected_s - elapsed_s if elapsed_s < self.expected_s else elapsed_s

    def complete(self, value: object = None, error: Exception | None = None) -> None:
        """Set the result or the error of the future. Only the first call counts."""
        if self.is_complete:
            return
        self.is_complete = True
        self.image_bytes = b""  # it may be large, and the task may be kept for longer
        if self.future.done():  # cancelled
            return
        if error is None:
            self.future.set_result(value)
        else:
            self.future.set_exception(error)


class WorkerEvents(Protocol):
    """Takes the events of workers."""

    def on_ready(self) -> None:
        """Give work to a worker that has become ready."""

    def on_result(self, worker: "WorkerHandle", result: WorkResult) -> None:
        """Take the result of a worker's first task."""

    def on_exit(self, worker: "WorkerHandle") -> None:
        """Take back the tasks of a worker whose process has ended."""


class WorkerHandle(asyncio.Protocol):
    """One worker.

    Attributes:
        index: Its index in the pool.
        process: Its process.
        tasks: Its unfinished tasks, the current one first.
        backlog_s: Their expected time.
        task_started_s: When the first of them began, by the loop's clock.
        hello: Its message once it is ready.
        vitals: Its signs of life, for the supervisor.
        is_ending: Whether it ends by itself, after the results that it has sent.
    """

    def __init__(self, index: int, process: subprocess.Popen[bytes], events: WorkerEvents) -> None:
        """Wait for the process to connect."""
        self.index = index
        self.process = process
        self.tasks: deque[WorkTask] = deque()
        self.backlog_s = 0.0
        self.task_started_s = 0.0
        self.hello: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.vitals = WorkerVitals()
        self.is_ending = False
        self._events = events
        self._decoder = MessageDecoder()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, received: bytes) -> None:
        """Pass on the results of the worker."""
        self.vitals.has_spoken = True
        for result, _ in self._decoder.feed(received):
            if isinstance(result, WorkPing):
                continue
            assert isinstance(result, WorkResult), "a worker sends nothing else"
            self.is_ending = isinstance(result.error, OutOfMemoryError) or self.is_ending
            if result.number != READY_NUMBER:
                self._events.on_result(self, result)
            elif self.hello.done():
                pass  # nobody waits for it any more: another worker failed to start
            elif result.error is not None:
                self.hello.set_exception(result.error)
            else:
                self.hello.set_result(result.value)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio passes it
        """Report the end of the process."""
        if not self.hello.done():
            self.hello.set_exception(
                WorkerDiedError("a worker ended before it was ready; the log may have the reason")
            )
        self._events.on_exit(self)

    @property
    def queue_depth(self) -> int:
        """The number of its tasks that wait and are not cancelled."""
        return sum(not task.is_complete for task in itertools.islice(self.tasks, 1, None))

    def estimate_load_s(self, now: float) -> float:
        """Return the estimated seconds until the worker has finished its tasks."""
        if not self.tasks:
            return 0.0
        current = self.tasks[0]
        return (
            self.backlog_s
            - current.expected_s
            + current.estimate_left_s(now - self.task_started_s, now)
        )

    def assign(self, task: WorkTask, now: float) -> None:
        """Send a task to the worker, which does it after its other tasks."""
        if not self.tasks:
            self.task_started_s = now
        task.worker = self
        self.tasks.append(task)
        self.backlog_s += task.expected_s
        self._transport.writelines(encode_message(task.request, task.image_bytes))

    def cancel(self, task: WorkTask) -> None:
        """Tell the worker to drop a task, or to end it at its next checkpoint."""
        self._transport.writelines(encode_message(WorkCancel(task.request.number)))

    def ping(self) -> None:
        """Ask the worker for a sign of life."""
        self._transport.writelines(encode_message(WorkPing()))

    def close(self) -> None:
        """Close the connection. The worker ends after its current task."""
        self._transport.close()
