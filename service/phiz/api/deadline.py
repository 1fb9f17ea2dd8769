"""How long a request waits for what it has asked of the workers, and what ends that."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from starlette.requests import ClientDisconnect, Request

from phiz.errors import DeadlineError, PhizError
from phiz.workers.handle import Task
from phiz.workers.pool import Crew

Ending: TypeAlias = Any | PhizError
"""What a task gave, or the error that it ended with."""

# What is answered sooner than this is done before anybody could stop it; longer than this
# nobody works in vain for a client that has gone.
WATCH_AFTER_S: Final = 0.02


async def outcomes(
    tasks: Sequence[Task], crew: Crew, request: Request, left_s: float
) -> list[Ending]:
    """Return what became of each task, in their order.

    What is not done in time ends with a DeadlineError. If the client leaves, or the request
    is cancelled, what has not begun is not done.

    Args:
        tasks: Of the crew.
        crew: That has them.
        request: Its body has been read.
        left_s: When all must be done, seconds from now.

    Raises:
        ClientDisconnect: The client has left.
        Exception: Of the connection, if it ends that way.
    """
    end = _End(tasks, crew, request, left_s)
    try:
        return [await _ending(task) for task in tasks]
    finally:
        end.cancel()
        for task in tasks:
            crew.withdraw(task)
            if not task.done.cancelled():
                task.done.exception()  # nobody else may take it, and it would be logged


async def _ending(task: Task) -> Ending:
    try:
        return await task.done
    except PhizError as error:
        return error


class _End:
    """Ends the wait for tasks: when the time is up, or the client has left."""

    __slots__ = ("_crew", "_left_s", "_request", "_tasks", "_timer", "_watching")

    def __init__(self, tasks: Sequence[Task], crew: Crew, request: Request, left_s: float) -> None:
        self._tasks = tasks
        self._crew = crew
        self._request = request
        self._left_s = left_s
        self._watching: asyncio.Task[None] | None = None
        # One timer at a time: most requests are answered before the first.
        loop = asyncio.get_running_loop()
        if left_s > WATCH_AFTER_S:
            self._timer = loop.call_later(WATCH_AFTER_S, self._watch)
        else:
            self._timer = loop.call_later(left_s, self._expire)

    def cancel(self) -> None:
        self._timer.cancel()
        # A task that was cancelled keeps its frames, and these would keep ours.
        self._tasks = ()
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._left_s - WATCH_AFTER_S, self._expire)
        self._watching = loop.create_task(self._leave())

    def _expire(self) -> None:
        self._withdraw(
            DeadlineError(
                f"the answer was not there after {self._left_s:g} s, which is the limit; send a"
                " smaller picture, choose a faster model, or try again when there is less to do"
            )
        )

    async def _leave(self) -> None:
        reason: Exception = ClientDisconnect()
        try:
            while (await self._request.receive())["type"] != "http.disconnect":
                pass
        except Exception as error:  # noqa: BLE001  however the connection ended
            reason = error
        self._withdraw(reason)

    def _withdraw(self, reason: Exception) -> None:
        for task in self._tasks:
            self._crew.withdraw(task, reason)
