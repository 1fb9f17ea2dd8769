"""A fixed number of workers, and the queue of what waits for them."""

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

# A worker is given so much work ahead, as long as all are busy: it then goes from one short
# call to the next without waiting for the service in between. On a processor that both share
# this also keeps them from changing places with each picture, which costs each its caches.
LOOKAHEAD_S: Final = 0.020
LOOKAHEAD_BYTES: Final = 1 << 20  # of a picture: a larger one would wait in the socket's buffers


class WorkerPool:
    """Gives work to its workers, in the order in which it comes.

    For the thread of the event loop alone.
    """

    __slots__ = ("_batchable", "_numbers", "_queue", "_supervisor", "latencies", "size")

    def __init__(
        self,
        command: Sequence[str],
        size: int,
        hang_timeout_s: float,
        batchable: Collection[str] = (),
    ) -> None:
        """Begin nothing yet.

        Args:
            command: Begins a worker; two arguments are added to it, the number of a file that
                is its end of a socket, and the worker's index.
            size: How many workers.
            hang_timeout_s: One that is at a single call for so long hangs, and is replaced.
            batchable: The kinds of tasks that a worker may do side by side.
        """
        self.size = size
        self.latencies = LatencyEstimator(default_s=LOOKAHEAD_S)
        self._batchable = batchable
        self._numbers = itertools.count(READY_NUMBER + 1)
        self._queue = TaskQueue()
        self._supervisor = Supervisor(command, hang_timeout_s, self)

    @property
    def is_healthy(self) -> bool:
        """Whether there is a worker, or will be as soon as one has begun."""
        return bool(self._supervisor.workers) or not self._supervisor.is_failing

    @property
    def pids(self) -> Mapping[int, int]:
        """The process id of each worker that is there, by its index."""
        return self._supervisor.pids

    @property
    def replaced_workers(self) -> int:
        """How many workers have ended and were to be replaced."""
        return self._supervisor.replaced_workers

    @property
    def queue_depth(self) -> int:
        """How many calls have not begun."""
        return self._queue.length + sum(worker.queue_depth for worker in self._supervisor.workers)

    @property
    def wait_s(self) -> float:
        """How long a call that came now would wait, as far as can be told; seconds."""
        workers = self._supervisor.workers
        if not workers:
            return self._queue.backlog_s / self.size if self.is_healthy else math.inf
        if not all(worker.tasks for worker in workers):
            return 0.0
        now = asyncio.get_running_loop().time()
        loads_s = sum(worker.estimate_load_s(now) for worker in workers)
        return (loads_s + self._queue.backlog_s) / len(workers)

    async def start(self) -> list[object]:
        """Begin all workers and return what each of them tells once it is ready.

        Raises:
            PhizError: One cannot begin its work.
        """
        return await self._supervisor.start(self.size)

    async def close(self) -> None:
        """Let the workers end, and return when they have."""
        await self._supervisor.close()

    def submit(  # noqa: PLR0913, PLR0917  a call, and what is known of it
        self,
        handler: str,
        image_bytes: bytes,
        arguments: tuple[object, ...],
        kind: str,
        received_at_s: float | None = None,
        request_id: str = "",
    ) -> WorkTask:
        """Return a new task; its ``future`` will hold what the work returns, or what it raises.

        ``future`` holds a WorkerDiedError if the worker ends while it is at this.

        Args:
            handler: Of the work.
            image_bytes: That it is done with.
            arguments: Of the work; hashable.
            kind: Tasks of one kind are expected to take about as long as each other.
            received_at_s: Since when it has waited, by ``time.perf_counter``; None for now.
            request_id: What the log calls who asks for it.
        """
        start_s = time.perf_counter() if received_at_s is None else received_at_s
        work = WorkRequest(
            next(self._numbers), handler, arguments, received_at_s=start_s, request_id=request_id
        )
        future = asyncio.get_running_loop().create_future()
        task = WorkTask(work, image_bytes, kind, self.latencies.estimate_s(kind), future)
        # A free worker starts at once, unless other tasks have waited longer.
        worker = None if self._queue.length else self._find_worker(task)
        if worker is None:
            self._queue.add(task)
        else:
            worker.assign(task, asyncio.get_running_loop().time())
        return task

    def cancel(self, task: WorkTask, reason: Exception | None = None) -> None:
        """Let nobody wait for a task any more; if it has not begun, it is not done.

        Args:
            task: One that is done already stays as it is.
            reason: What ``done`` is to raise; None if nobody looks at it.
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
        """Take what a worker has done with the first of its tasks."""
        now = asyncio.get_running_loop().time()
        task = worker.tasks.popleft()
        assert task.request.number == result.number, "a worker answers in the order of its calls"
        worker.backlog_s = worker.backlog_s - task.expected_s if worker.tasks else 0.0
        # One that nobody waited for any more took its time as well, unless it never began.
        if result.error is None and result.work_s:
            self.latencies.observe(task.kind, result.work_s)
        task.complete(result.value, result.error)
        worker.task_started_s = now
        self._dispatch_tasks()

    def on_exit(self, worker: WorkerHandle) -> None:
        """Take back what a worker has not begun, and have it replaced."""
        if worker not in self._supervisor.workers:  # it never was ready
            return
        replaced = self._supervisor.replace(worker)
        current = None
        if worker.tasks and not self._is_culprit_unknown(worker.tasks):
            current = worker.tasks.popleft()
        for task in reversed(worker.tasks):
            task.worker = None
            if current is None:
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
        """Return whether it is not known which of a worker's tasks it has ended at.

        Then all are done once more, each alone.
        """
        return (
            len(tasks) > 1 and not tasks[0].request.exclusive and tasks[0].kind in self._batchable
        )

    def _dispatch_tasks(self) -> None:
        """Give tasks to workers, as long as there are both."""
        now = asyncio.get_running_loop().time()
        while self._queue.length:
            worker = self._find_worker(self._queue.peek())
            if worker is None:
                return
            worker.assign(self._queue.pop(), now)

    def _find_worker(self, task: WorkTask) -> WorkerHandle | None:
        """Return who may be given a task now, if anybody."""
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
