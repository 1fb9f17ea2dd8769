"""A fixed number of workers, and the queue of what waits for them."""

import asyncio
import itertools
import math
import time
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Final

from phiz.errors import WorkerDiedError
from phiz.workers.handle import Member, Task
from phiz.workers.latency import Costs
from phiz.workers.loop import READY
from phiz.workers.protocol import Call, Outcome
from phiz.workers.queue import Queue
from phiz.workers.supervisor import Roster

# A worker is given so much work ahead, as long as all are busy: it then goes from one short
# call to the next without waiting for the service in between. On a processor that both share
# this also keeps them from changing places with each picture, which costs each its caches.
AHEAD_S: Final = 0.020
AHEAD_BYTES: Final = 1 << 20  # of a picture: a larger one would wait in the socket's buffers


class Crew:
    """Gives work to its workers, in the order in which it comes.

    For the thread of the event loop alone.
    """

    __slots__ = ("_joining", "_numbers", "_queue", "_roster", "costs", "size")

    def __init__(
        self, command: Sequence[str], size: int, limit_s: float, joining: Collection[str] = ()
    ) -> None:
        """Begin nothing yet.

        Args:
            command: Begins a worker; two arguments are added to it, the number of a file that
                is its end of a socket, and the worker's index.
            size: How many workers.
            limit_s: One that is at a single call for so long hangs, and is replaced.
            joining: The kinds of tasks that a worker may do side by side.
        """
        self.size = size
        self.costs = Costs(unknown_s=AHEAD_S)
        self._joining = joining
        self._numbers = itertools.count(READY + 1)
        self._queue = Queue()
        self._roster = Roster(command, limit_s, self)

    @property
    def able(self) -> bool:
        """Whether there is a worker, or will be as soon as one has begun."""
        return bool(self._roster.members) or not self._roster.failing

    @property
    def processes(self) -> Mapping[int, int]:
        """The process id of each worker that is there, by its index."""
        return self._roster.processes

    @property
    def replaced(self) -> int:
        """How many workers have ended and were to be replaced."""
        return self._roster.replaced

    @property
    def waiting(self) -> int:
        """How many calls have not begun."""
        return self._queue.length + sum(member.waiting for member in self._roster.members)

    @property
    def wait_s(self) -> float:
        """How long a call that came now would wait, as far as can be told; seconds."""
        members = self._roster.members
        if not members:
            return self._queue.cost_s / self.size if self.able else math.inf
        now = asyncio.get_running_loop().time()
        loads = [member.load_s(now) for member in members]
        return (sum(loads) + self._queue.cost_s) / len(loads) if all(loads) else 0.0

    async def start(self) -> list[object]:
        """Begin all workers and return what each of them tells once it is ready.

        Raises:
            PhizError: One cannot begin its work.
        """
        return await self._roster.start(self.size)

    async def close(self) -> None:
        """Let the workers end, and return when they have."""
        await self._roster.close()

    def submit(  # noqa: PLR0913, PLR0917  a call, and what is known of it
        self,
        name: str,
        picture: bytes,
        arguments: tuple[object, ...],
        kind: str,
        since: float | None = None,
        request: str = "",
    ) -> Task:
        """Return a new task; its ``done`` will hold what the work returns, or what it raises.

        ``done`` holds a WorkerDiedError if the worker ends while it is at this.

        Args:
            name: Of the work.
            picture: That it is done with.
            arguments: Of the work; hashable.
            kind: Tasks of one kind are expected to take about as long as each other.
            since: Since when it has waited, by ``time.perf_counter``; None for now.
            request: What the log calls who asks for it.
        """
        waits = time.perf_counter() if since is None else since
        call = Call(next(self._numbers), name, arguments, since=waits, request=request)
        done = asyncio.get_running_loop().create_future()
        task = Task(call, picture, kind, self.costs.expected(kind), done)
        self._queue.add(task)
        self._hand_out()
        return task

    def withdraw(self, task: Task, reason: Exception | None = None) -> None:
        """Let nobody wait for a task any more; if it has not begun, it is not done.

        Args:
            task: One that is done already stays as it is.
            reason: What ``done`` is to raise; None if nobody looks at it.
        """
        if task.settled:
            return
        if reason is None:
            task.done.cancel()
        task.settle(error=reason)
        if task.member is None:
            self._queue.drop(task)
        else:
            task.member.withdraw(task)

    def joined(self) -> None:
        """Give work to a worker that has become ready."""
        self._hand_out()

    def finished(self, member: Member, outcome: Outcome) -> None:
        """Take what a worker has done with the first of its tasks."""
        now = asyncio.get_running_loop().time()
        task = member.tasks.popleft()
        assert task.call.number == outcome.number, "a worker answers in the order of its calls"
        member.cost_s = member.cost_s - task.cost_s if member.tasks else 0.0
        # One that nobody waited for any more took its time as well, unless it never began.
        if outcome.error is None and outcome.seconds:
            self.costs.observe(task.kind, outcome.seconds)
        task.settle(outcome.value, outcome.error)
        member.began = now
        self._hand_out()

    def lost(self, member: Member) -> None:
        """Take back what a worker has not begun, and have it replaced."""
        if member not in self._roster.members:  # it never was ready
            return
        replaced = self._roster.replace(member)
        begun = None
        if member.tasks and not self._is_any_to_blame(member.tasks):
            begun = member.tasks.popleft()
        for task in reversed(member.tasks):
            task.member = None
            if begun is None:
                task.call = task.call._replace(alone=True)
            self._queue.put_back(task)
        if begun is not None:
            begun.settle(
                error=WorkerDiedError(
                    "the process that worked on the picture ended; if it does so again, the"
                    " picture is the cause"
                )
            )
        if replaced:
            self._hand_out()

    def _is_any_to_blame(self, tasks: Sequence[Task]) -> bool:
        """Return whether it is not known which of a worker's tasks it has ended at.

        Then all are done once more, each alone.
        """
        return len(tasks) > 1 and not tasks[0].call.alone and tasks[0].kind in self._joining

    def _hand_out(self) -> None:
        """Give tasks to workers, as long as there are both."""
        now = asyncio.get_running_loop().time()
        while (task := self._queue.first()) is not None:
            member = self._free_for(task)
            if member is None:
                return
            member.give(self._queue.take(), now)

    def _free_for(self, task: Task) -> Member | None:
        """Return who may be given a task now, if anybody."""
        if not self._roster.members:
            return None
        member = min(self._roster.members, key=attrgetter("cost_s"))
        if not member.tasks:
            return member
        short = member.cost_s + task.cost_s <= AHEAD_S and len(task.picture) <= AHEAD_BYTES
        return member if short else None
