"""The pool: a fixed number of workers, and the queue of their tasks."""

import asyncio
import itertools
import math
import time
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Final

from phiz.errors import WorkerDiedError
from phiz.workers.background import BackgroundQueue
from phiz.workers.handle import NO_OWNER, TaskOwner, WorkerHandle, WorkTask
from phiz.workers.latency import LatencyEstimator, Workload
from phiz.workers.loop import READY_NUMBER
from phiz.workers.protocol import WorkRequest, WorkResult
from phiz.workers.queue import LONG_LANE, LONG_S, TaskQueue, find_lane
from phiz.workers.supervisor import Supervisor

# While all workers are busy, each gets this much work ahead. It then continues with the next short
# task without waiting for the service. On a shared processor the two also switch less often and
# keep their caches.
LOOKAHEAD_S: Final = 0.020
LOOKAHEAD_BYTES: Final = 1 << 20  # of an image: a larger one would wait in the socket's buffers
LATE_S: Final = 0.1  # after its expected end, a worker gets no more work ahead
# One worker takes no long task for this time after each short one, so that the next is not late.
RESERVE_S: Final = 10.0
# A background task that has waited for so long is queued like any other.
BACKGROUND_PATIENCE_S: Final = 0.5


class WorkerPool:
    """Gives tasks to its workers, with a fair share for each client.

    Only the thread of the event loop may use it.
    """

    __slots__ = (
        "_background",
        "_batchable",
        "_numbers",
        "_queue",
        "_reserved_until_s",
        "_supervisor",
        "latencies",
        "size",
    )

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
            batchable: The models whose tasks a worker may interleave.
        """
        self.size = size
        self.latencies = LatencyEstimator(default_s=LOOKAHEAD_S)
        self._batchable = batchable
        self._numbers = itertools.count(READY_NUMBER + 1)
        self._queue = TaskQueue()
        self._background = BackgroundQueue()
        self._reserved_until_s = 0.0
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
        """The number of tasks that have not begun, without background tasks."""
        return self._queue.length + sum(worker.queue_depth for worker in self._supervisor.workers)

    @property
    def has_queue(self) -> bool:
        """Whether a task is queued, and given to no worker."""
        return self._queue.length > 0

    @property
    def wait_s(self) -> float:
        """The estimated seconds until a worker is free, after all tasks that are there now."""
        return self._estimate_free_s(self._supervisor.workers, self._queue.backlog_s)

    def estimate_wait_s(self, client: str, expected_s: float) -> float:
        """Return the estimated wait of a new task in seconds.

        Args:
            client: Its client.
            expected_s: Its expected time.
        """
        workers = self._supervisor.workers
        if expected_s >= LONG_S:
            now = asyncio.get_running_loop().time()
            busy = [worker for worker in workers if _is_long(worker, now)]
            if len(busy) >= self._count_long_places(now):
                workers = busy
        elif not self._queue.length:
            for worker in workers:
                if not worker.tasks:
                    return 0.0
        return self._estimate_free_s(workers, self._queue.estimate_ahead_s(client, expected_s))

    def _estimate_free_s(self, workers: Sequence[WorkerHandle], ahead_s: float) -> float:
        """Return the estimated seconds until one of some workers is free for a new task.

        Args:
            workers: The workers.
            ahead_s: Work that they have to do before it, beside their own.
        """
        if not workers:
            return ahead_s / self.size if self.is_healthy else math.inf
        now = asyncio.get_running_loop().time()
        if len(workers) == 1:
            return ahead_s + workers[0].estimate_load_s(now)
        loads_s = sorted(worker.estimate_load_s(now) for worker in workers)
        # The work ahead goes to the workers that are free first, until all others are later.
        work_s, free_s = ahead_s, loads_s[0]
        for count, load_s in enumerate(loads_s, 1):
            work_s += load_s
            free_s = work_s / count
            if count == len(loads_s) or free_s <= loads_s[count]:
                break
        return free_s

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
        workload: Workload,
        received_at_s: float | None = None,
        owner: TaskOwner = NO_OWNER,
        deadline_s: float = math.inf,
        expected_s: float | None = None,
        *,
        is_background: bool = False,
    ) -> WorkTask:
        """Return a new task. Its ``future`` gets the return value or the error of the handler.

        If the worker ends during the task, this is a WorkerDiedError.

        Args:
            handler: Name of the handler.
            image_bytes: The image.
            arguments: Arguments of the handler; hashable.
            workload: Everything that its time is forecast by.
            received_at_s: When the body was complete, by ``time.perf_counter``; None for now.
            owner: Its owner. The log names the request.
            deadline_s: Seconds from ``received_at_s`` after which the worker ends the task.
            expected_s: Its expected time; None to forecast it.
            is_background: Whether it begins while no other task waits, and leaves a worker free if
                others were there lately. After ``BACKGROUND_PATIENCE_S`` it is one of the others.
        """
        start_s = time.perf_counter() if received_at_s is None else received_at_s
        work = WorkRequest(
            next(self._numbers),
            handler,
            arguments,
            received_at_s=start_s,
            request_id=owner.request,
            deadline_s=deadline_s,
        )
        loop = asyncio.get_running_loop()
        now, future = loop.time(), loop.create_future()
        if expected_s is None:
            expected_s = self.latencies.estimate_s(workload)
        lane = find_lane(expected_s)
        task = WorkTask(work, image_bytes, workload, expected_s, future, owner, lane, is_background)
        if is_background:
            self._background.add(task)
            self._dispatch_background(now)
            if task.worker is None:
                loop.call_later(BACKGROUND_PATIENCE_S, self._promote, task)
            return task
        is_long = task.lane == LONG_LANE
        if not is_long:
            self._reserved_until_s = now + RESERVE_S
        # A free worker starts at once, unless other tasks are queued.
        worker = None
        if not self._queue.length and (not is_long or self._has_long_place(now)):
            worker = self._find_worker(task, now)
        if worker is None:
            self._queue.add(task)
            self._dispatch_tasks()
        else:
            worker.assign(task, now)
        return task

    def replace_image(self, task: WorkTask, image_bytes: bytes, received_at_s: float) -> bool:
        """Give a task that has not begun another image. It keeps its place in the queue.

        Args:
            task: The task.
            image_bytes: The image, of the same workload.
            received_at_s: As for ``submit``.

        Returns:
            False if it has begun.
        """
        if task.worker is not None or task.is_complete:
            return False
        task.image_bytes = image_bytes
        task.request = task.request._replace(received_at_s=received_at_s)
        return True

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
        task.cancelled_s = asyncio.get_running_loop().time()
        if task in self._background:
            self._background.remove(task)
        elif task.worker is None:
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
        # A cancelled task counts too, unless it never began. It has no value if it ended early.
        if result.work_s:
            is_complete = result.error is None and result.value is not None
            self.latencies.observe(task.workload, result.work_s, is_complete=is_complete)
        task.complete(result.value, result.error)
        worker.task_started_s = now
        self._dispatch_tasks()

    def on_exit(self, worker: WorkerHandle) -> None:
        """Queue the tasks that a worker has not begun, and replace the worker."""
        if worker not in self._supervisor.workers:  # it was never ready
            return
        replaced = self._supervisor.replace(worker)
        if worker.tasks and worker.tasks[0].is_complete:  # it did not end when it was cancelled
            elapsed_s = asyncio.get_running_loop().time() - worker.task_started_s
            self.latencies.observe(worker.tasks[0].workload, elapsed_s, is_complete=False)
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
            len(tasks) > 1
            and not tasks[0].request.exclusive
            and tasks[0].workload.model in self._batchable
        )

    def _dispatch_tasks(self) -> None:
        """Give queued tasks to free workers."""
        if self._queue.length:
            self._dispatch_queue()
        if self._background:
            self._dispatch_background(asyncio.get_running_loop().time())

    def _dispatch_queue(self) -> None:
        """Give queued tasks to free workers, without background tasks."""
        now = asyncio.get_running_loop().time()
        while self._queue.length and self._may_take_task():
            may_be_long = self._queue.long_length > 0 and self._has_long_place(now)
            task = self._queue.peek(may_be_long=may_be_long)
            worker = self._find_worker(task, now) if task is not None else None
            if task is None or worker is None:
                return
            # Since it was queued, others of its kind may have taken longer than expected.
            if self._queue.reprice(task, self.latencies.estimate_s(task.workload)):
                continue
            self._queue.pop(task)
            worker.assign(task, now)

    def _dispatch_background(self, now: float) -> None:
        """Give background tasks to workers that nobody else needs."""
        while (task := self._background.peek()) is not None:
            worker = self._find_spare_worker(now)
            if worker is None:
                return
            self._background.pop(task)
            worker.assign(task, now)

    def _find_spare_worker(self, now: float) -> WorkerHandle | None:
        """Return a worker for a background task, or None."""
        if self._queue.length:
            return None
        workers = self._supervisor.workers
        idle = [worker for worker in workers if not worker.tasks]
        # The next short task begins at once if one more worker is idle.
        least = 2 if now < self._reserved_until_s and len(workers) > 1 else 1
        return idle[0] if len(idle) >= least else None

    def _promote(self, task: WorkTask) -> None:
        """Queue a background task that has waited for long like any other."""
        if task in self._background:
            self._background.remove(task)
            task.is_background = False
            self._queue.add(task)
            self._dispatch_tasks()

    def _may_take_task(self) -> bool:
        """Return whether a worker may take any task. This is quicker than to look for the next."""
        return any(
            not worker.tasks or worker.backlog_s < LOOKAHEAD_S
            for worker in self._supervisor.workers
        )

    def _has_long_place(self, now: float) -> bool:
        """Return whether a worker may take another long task."""
        long_workers = sum(_is_long(worker, now) for worker in self._supervisor.workers)
        return long_workers < self._count_long_places(now)

    def _count_long_places(self, now: float) -> int:
        """Return the number of workers that may have long tasks at once."""
        count = len(self._supervisor.workers)
        return max(1, count - 1) if now < self._reserved_until_s else count

    def _find_worker(self, task: WorkTask, now: float) -> WorkerHandle | None:
        """Return the worker that may take a task now, or None."""
        workers = self._supervisor.workers
        idle = next((worker for worker in workers if not worker.tasks), None)
        if idle is not None:
            return idle
        if task.expected_s > LOOKAHEAD_S or len(task.image_bytes) > LOOKAHEAD_BYTES:
            return None
        on_time = [worker for worker in workers if not _is_late(worker, now)]
        worker = min(on_time, key=attrgetter("backlog_s"), default=None)
        is_short = worker is not None and worker.backlog_s + task.expected_s <= LOOKAHEAD_S
        return worker if is_short else None


def _is_late(worker: WorkerHandle, now: float) -> bool:
    """Return whether a busy worker takes much longer than expected; it may have stopped."""
    return now - worker.task_started_s > worker.tasks[0].expected_s + LATE_S


def _is_long(worker: WorkerHandle, now: float) -> bool:
    """Return whether a worker is at a long task, by its forecast or by its time so far.

    A background task counts too, so that both together leave a worker for short ones.
    """
    return bool(worker.tasks) and (
        worker.tasks[0].lane == LONG_LANE
        or worker.tasks[0].is_background
        or now - worker.task_started_s >= LONG_S
    )
