"""The pool: a fixed number of workers, and the queue of their tasks."""

import asyncio
import itertools
import math
import time
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Final

from phiz.errors import WorkerDiedError
from phiz.workers.handle import WorkerHandle, WorkTask
from phiz.workers.latency import LatencyEstimator
from phiz.workers.loop import READY_NUMBER
from phiz.workers.protocol import WorkRequest, WorkResult
from phiz.workers.queue import TaskQueue
from phiz.workers.supervisor import Supervisor

# While all workers are busy, each gets this much work ahead. It then continues with the next short
# task without waiting for the service. On a shared processor the two also switch less often and
# keep their caches.
LOOKAHEAD_S: Final = 0.020
LOOKAHEAD_BYTES: Final = 1 << 20  # of an image: a larger one would wait in the socket's buffers


class WorkerPool:
    """Gives tasks to its workers in the order of their arrival.

    Only the thread of the event loop may use it.
    """

    __slots__ = ("_batchable", "_numbers", "_queue", "_supervisor", "latencies", "size")

    def __init__(
        self,
        command: Sequence[str],
        size: int,
        hang_timeout_s: float,
        batchable: Collection[str] = (),
    ) -> None:
        """Start nothing yet.

        Args:
            command: Starts a worker. The file descriptor of its socket and its index are appended.
            size: Number of workers.
            hang_timeout_s: A worker without a sign of life for longer is replaced.
            batchable: The kinds of tasks that a worker may interleave.
        """
        self.size = size
        self.latencies = LatencyEstimator(default_s=LOOKAHEAD_S)
        self._batchable = batchable
        self._numbers = itertools.count(READY_NUMBER + 1)
        self._queue = TaskQueue()
        self._supervisor = Supervisor(command, hang_timeout_s, self)

    @property
    def is_healthy(self) -> bool:
        """Whether a worker is ready or starting."""
        return bool(self._supervisor.workers) or not self._supervisor.is_failing

    @property
    def pids(self) -> Mapping[int, int]:
        """The process id of each ready worker by its index."""
        return self._supervisor.pids

    @property
    def replaced_workers(self) -> int:
        """The number of workers that ended and were to be replaced."""
        return self._supervisor.replaced_workers

    @property
    def queue_depth(self) -> int:
        """The number of tasks that have not begun."""
        return self._queue.length + sum(worker.queue_depth for worker in self._supervisor.workers)

    @property
    def wait_s(self) -> float:
        """The estimated wait of a new task in seconds."""
        workers = self._supervisor.workers
        if not workers:
            return self._queue.backlog_s / self.size if self.is_healthy else math.inf
        if not all(worker.tasks for worker in workers):
            return 0.0
        now = asyncio.get_running_loop().time()
        loads_s = sum(worker.estimate_load_s(now) for worker in workers)
        return (loads_s + self._queue.backlog_s) / len(workers)

    async def start(self) -> list[object]:
        """Start all workers and return their hello messages.

        Raises:
            PhizError: A worker cannot start.
        """
        return await self._supervisor.start(self.size)

    async def close(self) -> None:
        """End all workers."""
        await self._supervisor.close()

    def submit(  # noqa: PLR0913, PLR0917  the parts of a request
        self,
        handler: str,
        image_bytes: bytes,
        arguments: tuple[object, ...],
        kind: str,
        received_at_s: float | None = None,
        request_id: str = "",
        deadline_s: float = math.inf,
    ) -> WorkTask:
        """Return a new task. Its ``future`` gets the return value or the error of the handler.

        If the worker ends during the task, this is a WorkerDiedError.

        Args:
            handler: Name of the handler.
            image_bytes: The image.
            arguments: Arguments of the handler; hashable.
            kind: Tasks of one kind take about the same time.
            received_at_s: When the body was complete, by ``time.perf_counter``; None for now.
            request_id: The id of the HTTP request in the log.
            deadline_s: Seconds from ``received_at_s`` after which the worker ends the task.
        """
        start_s = time.perf_counter() if received_at_s is None else received_at_s
        work = WorkRequest(
            next(self._numbers),
            handler,
            arguments,
            received_at_s=start_s,
            request_id=request_id,
            deadline_s=deadline_s,
        )
        future = asyncio.get_running_loop().create_future()
        task = WorkTask(work, image_bytes, kind, self.latencies.estimate_s(kind), future)
        # A free worker starts at once, unless older tasks are queued.
        worker = None if self._queue.length else self._find_worker(task)
        if worker is None:
            self._queue.add(task)
        else:
            worker.assign(task, asyncio.get_running_loop().time())
        return task

    def cancel(self, task: WorkTask, reason: Exception | None = None) -> None:
        """Cancel a task that is not complete. It is dropped, or ends at its next checkpoint.

        Args:
            task: The task.
            reason: The error of its future; None if nobody awaits it.
        """
        if task.is_complete:
            return
        if reason is None:
            task.future.cancel()
        task.complete(error=reason)
        if task.worker is None:
            self._queue.discard(task)
        else:
            task.worker.cancel(task)

    def on_ready(self) -> None:
        """Give work to a worker that has become ready."""
        self._dispatch_tasks()

    def on_result(self, worker: WorkerHandle, result: WorkResult) -> None:
        """Take the result of a worker's first task."""
        now = asyncio.get_running_loop().time()
        task = worker.tasks.popleft()
        assert task.request.number == result.number, "results have the order of the requests"
        worker.backlog_s = worker.backlog_s - task.expected_s if worker.tasks else 0.0
        # A cancelled task counts too, unless it never began.
        if result.error is None and result.work_s:
            self.latencies.observe(task.kind, result.work_s)
        task.complete(result.value, result.error)
        worker.task_started_s = now
        self._dispatch_tasks()

    def on_exit(self, worker: WorkerHandle) -> None:
        """Queue the tasks that a worker has not begun, and replace the worker."""
        if worker not in self._supervisor.workers:  # it was never ready
            return
        replaced = self._supervisor.replace(worker)
        current = None
        is_culprit_unknown = self._is_culprit_unknown(worker.tasks)
        if worker.tasks and not worker.is_ending and not is_culprit_unknown:
            current = worker.tasks.popleft()
        for task in reversed(worker.tasks):
            task.worker = None
            if is_culprit_unknown and not worker.is_ending:
                task.request = task.request._replace(exclusive=True)
            self._queue.requeue(task)
        if current is not None:
            current.complete(
                error=WorkerDiedError(
                    "the worker process of this image ended; if that happens again, the image is"
                    " the cause"
                )
            )
        if replaced:
            self._dispatch_tasks()

    def _is_culprit_unknown(self, tasks: Sequence[WorkTask]) -> bool:
        """Return whether several tasks may have ended the worker. All are then repeated alone."""
        return (
            len(tasks) > 1 and not tasks[0].request.exclusive and tasks[0].kind in self._batchable
        )

    def _dispatch_tasks(self) -> None:
        """Give queued tasks to free workers."""
        now = asyncio.get_running_loop().time()
        while self._queue.length:
            worker = self._find_worker(self._queue.peek())
            if worker is None:
                return
            worker.assign(self._queue.pop(), now)

    def _find_worker(self, task: WorkTask) -> WorkerHandle | None:
        """Return the worker that may take a task now, or None."""
        if not self._supervisor.workers:
            return None
        worker = min(self._supervisor.workers, key=attrgetter("backlog_s"))
        if not worker.tasks:
            return worker
        short = (
            worker.backlog_s + task.expected_s <= LOOKAHEAD_S
            and len(task.image_bytes) <= LOOKAHEAD_BYTES
        )
        return worker if short else None
