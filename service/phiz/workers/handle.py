"""A worker, as the service sees it: a process, and what it has been given to do."""

import asyncio
import itertools
import subprocess
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol, cast

from phiz.errors import WorkerDiedError
from phiz.workers.loop import READY_NUMBER
from phiz.workers.protocol import (
    MessageDecoder,
    WorkCancel,
    WorkRequest,
    WorkResult,
    encode_message,
)


@dataclass(slots=True, eq=False)
class WorkTask:
    """A call to one of the workers.

    Attributes:
        request: What is to be done.
        image_bytes: That it is done with.
        kind: By which its time is expected.
        expected_s: That time.
        future: What it gives.
        worker: Who was given it, or None as long as it waits here.
        is_complete: Whether nobody waits for it any more.
    """

    request: WorkRequest
    image_bytes: bytes
    kind: str
    expected_s: float
    future: asyncio.Future[Any]
    worker: "WorkerHandle | None" = None
    is_complete: bool = False

    def complete(self, value: object = None, error: Exception | None = None) -> None:
        """Give what has become of it to whoever waits for it; the first time counts."""
        if self.is_complete:
            return
        self.is_complete = True
        self.image_bytes = b""  # it may be large, and others may hold the task for longer
        if self.future.done():  # cancelled, together with who waited for it
            return
        if error is None:
            self.future.set_result(value)
        else:
            self.future.set_exception(error)


class WorkerEvents(Protocol):
    """Who is told what a worker does."""

    def on_result(self, worker: "WorkerHandle", result: WorkResult) -> None:
        """Take what it has done with the first of its tasks."""

    def on_exit(self, worker: "WorkerHandle") -> None:
        """Take back what it was given: its process has ended."""


class WorkerHandle(asyncio.Protocol):
    """One worker.

    Attributes:
        index: Its place in the pool.
        process: That it runs in.
        tasks: What it was given and has not done, the one that it is at first.
        backlog_s: What these are expected to take.
        task_started_s: When it began the first of them, by the loop's clock.
        hello: What it tells once it is ready for work.
    """

    def __init__(self, index: int, process: subprocess.Popen[bytes], events: WorkerEvents) -> None:
        """Wait for its process to connect.

        Args:
            index: Its place in the pool.
            process: That it runs in.
            events: Told what it does.
        """
        self.index = index
        self.process = process
        self.tasks: deque[WorkTask] = deque()
        self.backlog_s = 0.0
        self.task_started_s = 0.0
        self.hello: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._events = events
        self._decoder = MessageDecoder()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, received: bytes) -> None:
        """Pass on what the worker has done."""
        for result, _ in self._decoder.feed(received):
            assert isinstance(result, WorkResult), "a worker says nothing else"
            if result.number != READY_NUMBER:
                self._events.on_result(self, result)
            elif self.hello.done():
                pass  # nobody waits for it any more: another could not begin
            elif result.error is not None:
                self.hello.set_exception(result.error)
            else:
                self.hello.set_result(result.value)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  it is gone either way
        """Tell that the process has ended."""
        if not self.hello.done():
            self.hello.set_exception(
                WorkerDiedError("a worker ended before it was ready; the log may have the reason")
            )
        self._events.on_exit(self)

    @property
    def queue_depth(self) -> int:
        """How many of its tasks have not begun, and somebody waits for them."""
        return sum(not task.is_complete for task in itertools.islice(self.tasks, 1, None))

    def estimate_load_s(self, now: float) -> float:
        """Return how long a busy worker will be at its tasks, as far as can be told; seconds."""
        elapsed = now - self.task_started_s
        expected = self.tasks[0].expected_s
        # What takes longer than expected may well take as long again.
        left = expected - elapsed if elapsed < expected else elapsed
        return self.backlog_s - expected + left

    def assign(self, task: WorkTask, now: float) -> None:
        """Let the worker do this when it has done what it was given before."""
        if not self.tasks:
            self.task_started_s = now
        task.worker = self
        self.tasks.append(task)
        self.backlog_s += task.expected_s
        self._transport.writelines(encode_message(task.request, task.image_bytes))

    def cancel(self, task: WorkTask) -> None:
        """Tell the worker that it need not do this if it has not begun."""
        self._transport.writelines(encode_message(WorkCancel(task.request.number)))

    def close(self) -> None:
        """Let it end when it has done what it has begun."""
        self._transport.close()
