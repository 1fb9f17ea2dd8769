"""A fixed number of workers, and the queue of what waits for them."""

import asyncio
import itertools
import logging
import math
import socket
import subprocess
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

from phiz.crew.calls import Call, Outcome
from phiz.crew.costs import Costs
from phiz.crew.member import Member, Task
from phiz.crew.queue import Queue
from phiz.crew.worker import READY
from phiz.errors import PhizError, WorkerDiedError

# A worker is given so much work ahead, as long as all are busy: it then goes from one short
# call to the next without waiting for the service in between. On a processor that both share
# this also keeps them from changing places with each picture, which costs each its caches.
AHEAD_S: Final = 0.010
AHEAD_BYTES: Final = 1 << 20  # of a picture: a larger one would wait in the socket's buffers
BEGIN_S: Final = 60.0  # what a replacement gets to become ready in
END_S: Final = 2.0  # what a worker gets to end in, once it has nothing to do
RETRY_S: Final = (0.0, 0.2, 1.0, 5.0, 10.0)  # before each attempt to replace a worker
CHECK_S: Final = 0.5

_log = logging.getLogger(__name__)


class Crew:
    """Gives work to its workers, in the order in which it comes, and replaces those that end.

    For the thread of the event loop alone.
    """

    __slots__ = (
        "_checking",
        "_command",
        "_ending",
        "_failing",
        "_joining",
        "_limit_s",
        "_members",
        "_numbers",
        "_queue",
        "_replacing",
        "costs",
        "replaced",
        "size",
    )

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
        self.replaced = 0
        self._command = command
        self._limit_s = limit_s
        self._joining = joining
        self.costs = Costs(unknown_s=AHEAD_S)
        self._numbers = itertools.count(READY + 1)
        self._queue = Queue()
        self._members: list[Member] = []
        self._replacing: dict[asyncio.Task[None], Member] = {}  # who has ended
        self._checking: asyncio.TimerHandle | None = None
        self._ending = False
        self._failing = False  # to replace a worker

    @property
    def able(self) -> bool:
        """Whether there is a worker, or will be as soon as one has begun."""
        return bool(self._members) or not self._failing

    @property
    def processes(self) -> Mapping[int, int]:
        """The process id of each worker that is there, by its index."""
        return {member.index: member.process.pid for member in self._members}

    @property
    def waiting(self) -> int:
        """How many calls have not begun."""
        return self._queue.length + sum(member.waiting for member in self._members)

    @property
    def wait_s(self) -> float:
        """How long a call that came now would wait, as far as can be told; seconds."""
        if not self._members:
            return self._queue.cost_s / self.size if self.able else math.inf
        now = asyncio.get_running_loop().time()
        loads = [member.load_s(now) for member in self._members]
        return (sum(loads) + self._queue.cost_s) / len(loads) if all(loads) else 0.0

    async def start(self) -> list[Any]:
        """Begin all workers and return what each of them tells once it is ready.

        Raises:
            PhizError: One cannot begin its work.
        """
        beginning = [asyncio.create_task(self._begin(index)) for index in range(self.size)]
        try:
            told = await asyncio.gather(*beginning)
        except BaseException:
            for task in beginning:
                if not task.cancelling():  # a second time would keep it from tidying up
                    task.cancel()
            await asyncio.gather(*beginning, return_exceptions=True)
            await self.close()
            raise
        self._check()
        return told

    def submit(self, name: str, picture: bytes, arguments: tuple[Any, ...], kind: str) -> Task:
        """Return a new task; its ``done`` will hold what the work returns, or what it raises.

        ``done`` holds a WorkerDiedError if the worker ends while it is at this.

        Args:
            name: Of the work.
            picture: That it is done with.
            arguments: Of the work.
            kind: Tasks of one kind are expected to take about as long as each other.
        """
        call = Call(next(self._numbers), name, arguments)
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
        """Take back what a worker has not begun, and replace it."""
        if member not in self._members:  # it never was ready
            return
        if not self._ending:
            member.process.kill()
        self._members.remove(member)
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
        if not self._ending:
            self._replace(member)
            self._hand_out()

    def _is_any_to_blame(self, tasks: Sequence[Task]) -> bool:
        """Return whether it is not known which of a worker's tasks it has ended at.

        Then all are done once more, each alone.
        """
        return len(tasks) > 1 and not tasks[0].call.alone and tasks[0].kind in self._joining

    async def close(self) -> None:
        """Let the workers end, and return when they have."""
        self._ending = True
        if self._checking is not None:
            self._checking.cancel()
        for replacing in self._replacing:
            replacing.cancel()
        members = (*self._members, *self._replacing.values())
        for member in members:
            member.end()
            if all(task.settled for task in member.tasks) and member.tasks:
                member.process.kill()  # nobody waits for what it is at
        await asyncio.gather(
            *(asyncio.to_thread(_wait, member.process) for member in members),
            *self._replacing,
            return_exceptions=True,
        )

    async def _begin(self, index: int) -> Any:  # noqa: ANN401  whatever a worker tells
        process, connection = self._open(index)
        member = Member(index, process, self)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: member, sock=connection)
            told = await member.ready
        except BaseException:
            member.ready.cancel()
            process.kill()
            await asyncio.to_thread(process.wait)
            member.end()
            raise
        self._members.append(member)
        self._hand_out()
        return told

    def _open(self, index: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Return the process of a worker, and our end of the socket to it."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603  our own command
                    [*self._command, str(theirs.fileno()), str(index)],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl+C in a terminal is for the service
                )
            except OSError:
                ours.close()
                raise
        return process, ours

    async def _begin_again(self, before: Member) -> None:
        """Begin a worker in the place of one that has ended."""
        status = await asyncio.to_thread(before.process.wait)
        _log.warning(
            "worker %d (process %d) ended with status %d; beginning another",
            *(before.index, before.process.pid, status),
        )
        for pause_s in itertools.chain(RETRY_S, itertools.repeat(RETRY_S[-1])):
            await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(BEGIN_S):
                    await self._begin(before.index)
            except (PhizError, OSError) as error:  # which a TimeoutError is
                _log.error("worker %d cannot begin again: %s", before.index, error or "too slow")
            except Exception:  # noqa: BLE001  whatever it is, the place must not stay empty
                _log.exception("worker %d cannot begin again", before.index)
            else:
                self._failing = False
                return
            self._failing = True

    def _replace(self, member: Member) -> None:
        self.replaced += 1
        replacing = asyncio.create_task(self._begin_again(member))
        self._replacing[replacing] = member
        replacing.add_done_callback(self._replacing.pop)

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
        if not self._members:
            return None
        member = min(self._members, key=attrgetter("cost_s"))
        if not member.tasks:
            return member
        short = member.cost_s + task.cost_s <= AHEAD_S and len(task.picture) <= AHEAD_BYTES
        return member if short else None

    def _check(self) -> None:
        """End the workers that hang; they are replaced then."""
        loop = asyncio.get_running_loop()
        for member in self._members:
            if member.tasks and loop.time() - member.began > self._limit_s:
                _log.error(
                    "worker %d has been at one call for %g s; ending it",
                    member.index,
                    self._limit_s,
                )
                member.process.kill()
        self._checking = loop.call_later(CHECK_S, self._check)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
