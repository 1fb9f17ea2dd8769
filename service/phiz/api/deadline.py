"""Waits for the workers until they answer, the deadline passes, or the client disconnects."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from starlette.requests import ClientDisconnect, Request

from phiz.api.server.disconnect import DISCONNECT_KEY, Disconnect
from phiz.errors import DeadlineError, PhizError
from phiz.workers.handle import WorkTask
from phiz.workers.pool import WorkerPool

TaskOutcome: TypeAlias = Any | PhizError
"""The answer of a task, or its error."""

# Our server tells at once that a client has left. Behind another server, the connection is watched
# after this time, because most requests are answered sooner.
WATCH_AFTER_S: Final = 0.05


async def await_tasks(
    tasks: Sequence[WorkTask], pool: WorkerPool, request: Request, remaining_s: float
) -> list[TaskOutcome]:
    """Return the outcome of each task of the pool, in their order.

    Late tasks end with a DeadlineError. If the client leaves, or the request is cancelled, queued
    tasks are dropped.

    Args:
        tasks: Tasks of the request.
        pool: Pool of the tasks.
        request: The request, whose body has been read.
        remaining_s: Seconds until the deadline.

    Raises:
        ClientDisconnect: The client has left.
        Exception: The connection ended with it.
    """
    watch = _DeadlineWatch(tasks, pool, request, remaining_s)
    try:
        return [await _await_task(task) for task in tasks]
    except BaseException:
        for task in tasks:
            pool.cancel(task)
            if not task.future.cancelled():
                task.future.exception()  # otherwise it would be logged as never retrieved
        raise
    finally:
        watch.cancel()


async def _await_task(task: WorkTask) -> TaskOutcome:
    try:
        return await task.future
    except PhizError as error:
        return error


class _DeadlineWatch:
    """Ends the wait for tasks at the deadline, or when the client has left."""

    __slots__ = (
        "_disconnect",
        "_disconnect_task",
        "_pool",
        "_remaining_s",
        "_request",
        "_tasks",
        "_timer",
    )

    def __init__(
        self, tasks: Sequence[WorkTask], pool: WorkerPool, request: Request, remaining_s: float
    ) -> None:
        self._tasks = tasks
        self._pool = pool
        self._request = request
        self._remaining_s = remaining_s
        self._disconnect_task: asyncio.Task[None] | None = None
        # One timer at a time: most requests are answered before the first.
        loop = asyncio.get_running_loop()
        self._disconnect: Disconnect | None = request.scope.get(DISCONNECT_KEY)
        if self._disconnect is None and remaining_s > WATCH_AFTER_S:
            self._timer = loop.call_later(WATCH_AFTER_S, self._watch_client)
        else:
            self._timer = loop.call_later(remaining_s, self._expire)
            if self._disconnect is not None:
                self._disconnect.listen(self._end_wait)

    def cancel(self) -> None:
        self._timer.cancel()
        # A task that was cancelled keeps its frames, and these would keep ours.
        self._tasks = ()
        if self._disconnect is not None:
            self._disconnect.listen(None)
        if self._disconnect_task is not None:
            self._disconnect_task.cancel()
            self._disconnect_task = None

    def _end_wait(self) -> None:
        self._cancel_tasks(ClientDisconnect())

    def _watch_client(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._remaining_s - WATCH_AFTER_S, self._expire)
        self._disconnect_task = loop.create_task(self._wait_for_disconnect())

    def _expire(self) -> None:
        self._cancel_tasks(DeadlineError.from_limit(self._remaining_s))

    async def _wait_for_disconnect(self) -> None:
        reason: Exception = ClientDisconnect()
        try:
            while (await self._request.receive())["type"] != "http.disconnect":
                pass
        except Exception as error:  # noqa: BLE001  however the connection ended
            reason = error
        self._cancel_tasks(reason)

    def _cancel_tasks(self, reason: Exception) -> None:
        for task in self._tasks:
            self._pool.cancel(task, reason)
