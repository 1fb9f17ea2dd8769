"""The processes of a crew: they are begun, replaced where they end or hang, and ended."""

import asyncio
import itertools
import logging
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from phiz.errors import PhizError
from phiz.workers.handle import Member, Owner

BEGIN_S: Final = 60.0  # what a replacement gets to become ready in
END_S: Final = 2.0  # what a worker gets to end in, once it has nothing to do
RETRY_S: Final = (0.0, 0.2, 1.0, 5.0, 10.0)  # before each attempt to replace a worker
CHECK_S: Final = 0.5

_log = logging.getLogger(__name__)


class Employer(Owner, Protocol):
    """Who is told of workers, and what they do."""

    def joined(self) -> None:
        """Give work to a worker that has become ready."""


class Roster:
    """Keeps as many workers as there shall be.

    Attributes:
        members: Those that are ready.
        replaced: How many have ended and were to be replaced.
        failing: Whether the last attempt to replace one has failed.
    """

    __slots__ = (
        "_checking",
        "_command",
        "_employer",
        "_ending",
        "_limit_s",
        "_reaping",
        "_replacing",
        "failing",
        "members",
        "replaced",
    )

    def __init__(self, command: Sequence[str], limit_s: float, employer: Employer) -> None:
        """Begin nothing yet.

        Args:
            command: Begins a worker; two arguments are added to it, the number of a file that
                is its end of a socket, and the worker's index.
            limit_s: One that is at a single call for so long hangs, and is replaced.
            employer: Told of them.
        """
        self.members: list[Member] = []
        self.replaced = 0
        self.failing = False
        self._command = command
        self._limit_s = limit_s
        self._employer = employer
        self._replacing: dict[asyncio.Task[None], Member] = {}  # who has ended
        self._reaping: set[asyncio.Task[int]] = set()  # what has been killed, and not yet ended
        self._checking: asyncio.TimerHandle | None = None
        self._ending = False

    @property
    def processes(self) -> Mapping[int, int]:
        """The process id of each worker that is ready, by its index."""
        return {member.index: member.process.pid for member in self.members}

    async def start(self, size: int) -> list[object]:
        """Begin so many workers and return what each of them tells once it is ready.

        Raises:
            PhizError: One cannot begin its work.
        """
        beginning = [asyncio.create_task(self._begin(index)) for index in range(size)]
        try:
            told = await asyncio.gather(*beginning)
        except BaseException:
            for task in beginning:
                task.cancel()
            await asyncio.gather(*beginning, return_exceptions=True)
            await self.close()
            raise
        self._check()
        return told

    def replace(self, member: Member) -> bool:
        """Begin another worker in the place of one whose connection has ended.

        Returns:
            Whether that is done: not if all are to end.
        """
        self.members.remove(member)
        if self._ending:
            return False
        member.process.kill()
        self.replaced += 1
        replacing = asyncio.create_task(self._begin_again(member))
        self._replacing[replacing] = member
        replacing.add_done_callback(self._replacing.pop)
        return True

    async def close(self) -> None:
        """Let the workers end, and return when they have."""
        self._ending = True
        if self._checking is not None:
            self._checking.cancel()
        for replacing in self._replacing:
            replacing.cancel()
        members = (*self.members, *self._replacing.values())
        for member in members:
            member.end()
            if all(task.settled for task in member.tasks) and member.tasks:
                member.process.kill()  # nobody waits for what it is at
        await asyncio.gather(
            *(asyncio.to_thread(_wait, member.process) for member in members),
            *self._replacing,
            return_exceptions=True,
        )
        await asyncio.gather(*self._reaping)

    async def _begin(self, index: int) -> object:
        """Begin a worker and return what it tells once it is ready."""
        process, connection = self._open(index)
        member = Member(index, process, self._employer)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: member, sock=connection)
            told = await member.ready
        except BaseException:
            member.ready.cancel()
            try:
                await self._kill(process)
            finally:
                member.end()
            raise
        self.members.append(member)
        self._employer.joined()
        return told

    async def _kill(self, process: subprocess.Popen[bytes]) -> None:
        """End a process at once, and return when it has; one who is cancelled leaves the wait."""
        process.kill()
        reaping = asyncio.create_task(asyncio.to_thread(process.wait))
        self._reaping.add(reaping)
        reaping.add_done_callback(self._reaping.discard)
        await asyncio.shield(reaping)

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
                self.failing = False
                return
            self.failing = True

    def _check(self) -> None:
        """End the workers that hang; they are replaced then."""
        loop = asyncio.get_running_loop()
        for member in self.members:
            if member.tasks and loop.time() - member.began > self._limit_s:
                _log.error(
                    "worker %d has been at one call for %g s; ending it",
                    *(member.index, self._limit_s),
                )
                member.process.kill()
        self._checking = loop.call_later(CHECK_S, self._check)


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
