"""A worker, as the service sees it: a process, and what it has been given to do."""

import asyncio
import itertools
import subprocess
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol, cast

from phiz.errors import WorkerDiedError
from phiz.workers.loop import READY
from phiz.workers.protocol import Call, Decoder, Outcome, Withdrawal, encode


@dataclass(slots=True, eq=False)
class Task:
    """A call to one of the workers.

    Attributes:
        call: What is to be done.
        picture: That it is done with.
        kind: By which its time is expected.
        cost_s: That time.
        done: What it gives.
        member: Who was given it, or None as long as it waits here.
        settled: Whether nobody waits for it any more.
    """

    call: Call
    picture: bytes
    kind: str
    cost_s: float
    done: asyncio.Future[Any]
    member: "Member | None" = None
    settled: bool = False

    def settle(self, value: object = None, error: Exception | None = None) -> None:
        """Give what has become of it to whoever waits for it; the first time counts."""
        if self.settled:
            return
        self.settled = True
        self.picture = b""  # it may be large, and others may hold the task for longer
        if self.done.done():  # cancelled, together with who waited for it
            return
        if error is None:
            self.done.set_result(value)
        else:
            self.done.set_exception(error)


class Owner(Protocol):
    """Who is told what a worker does."""

    def finished(self, member: "Member", outcome: Outcome) -> None:
        """Take what it has done with the first of its tasks."""

    def lost(self, member: "Member") -> None:
        """Take back what it was given: its process has ended."""


class Member(asyncio.Protocol):
    """One worker.

    Attributes:
        index: Its place in the crew.
        process: That it runs in.
        tasks: What it was given and has not done, the one that it is at first.
        cost_s: What these are expected to take.
        began: When it began the first of them, by the loop's clock.
        ready: What it tells once it is ready for work.
    """

    def __init__(self, index: int, process: subprocess.Popen[bytes], owner: Owner) -> None:
        """Wait for its process to connect.

        Args:
            index: Its place in the crew.
            process: That it runs in.
            owner: Told what it does.
        """
        self.index = index
        self.process = process
        self.tasks: deque[Task] = deque()
        self.cost_s = 0.0
        self.began = 0.0
        self.ready: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._owner = owner
        self._decoder = Decoder()
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to write to."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what the worker has done."""
        for outcome, _ in self._decoder.feed(data):
            assert isinstance(outcome, Outcome), "a worker says nothing else"
            if outcome.number != READY:
                self._owner.finished(self, outcome)
            elif self.ready.done():
                pass  # nobody waits for it any more: another could not begin
            elif outcome.error is not None:
                self.ready.set_exception(outcome.error)
            else:
                self.ready.set_result(outcome.value)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  it is gone either way
        """Tell that the process has ended."""
        if not self.ready.done():
            self.ready.set_exception(
                WorkerDiedError("a worker ended before it was ready; the log may tell why")
            )
        self._owner.lost(self)

    @property
    def waiting(self) -> int:
        """How many of its tasks have not begun, and somebody waits for them."""
        return sum(not task.settled for task in itertools.islice(self.tasks, 1, None))

    def load_s(self, now: float) -> float:
        """Return how long it will be at its tasks, as far as can be told; seconds."""
        if not self.tasks:
            return 0.0
        elapsed = now - self.began
        expected = self.tasks[0].cost_s
        # What takes longer than expected may well take as long again.
        left = expected - elapsed if elapsed < expected else elapsed
        return max(self.cost_s - expected + left, 1e-6)

    def give(self, task: Task, now: float) -> None:
        """Let the worker do this when it has done what it was given before."""
        if not self.tasks:
            self.began = now
        task.member = self
        self.tasks.append(task)
        self.cost_s += task.cost_s
        self._transport.writelines(encode(task.call, task.picture))

    def withdraw(self, task: Task) -> None:
        """Tell the worker that it need not do this if it has not begun."""
        self._transport.writelines(encode(Withdrawal(task.call.number)))

    def end(self) -> None:
        """Let it end when it has done what it has begun."""
        self._transport.close()
