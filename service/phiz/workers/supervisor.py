"""The processes of a pool: they are begun, replaced where they end or hang, and ended."""

import asyncio
import itertools
import logging
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from phiz.errors import PhizError
from phiz.workers.handle import WorkerEvents, WorkerHandle

START_TIMEOUT_S: Final = 60.0  # what a replacement gets to become ready in
STOP_TIMEOUT_S: Final = 2.0  # what a worker gets to end in, once it has nothing to do
RETRY_DELAYS_S: Final = (0.0, 0.2, 1.0, 5.0, 10.0)  # before each attempt to replace a worker
CHECK_INTERVAL_S: Final = 0.5

_log = logging.getLogger(__name__)


class SupervisorEvents(WorkerEvents, Protocol):
    """Who is told of workers, and what they do."""

    def on_ready(self) -> None:
        """Give work to a worker that has become ready."""


class Supervisor:
    """Keeps as many workers as there shall be.

    Attributes:
        workers: Those that are ready.
        replaced_workers: How many have ended and were to be replaced.
        is_failing: Whether the last attempt to replace one has failed.
    """

    __slots__ = (
        "_check_timer",
        "_command",
        "_events",
        "_hang_timeout_s",
        "_is_closing",
        "_reaps",
        "_restarts",
        "is_failing",
        "replaced_workers",
        "workers",
    )

    def __init__(
        self, command: Sequence[str], hang_timeout_s: float, events: SupervisorEvents
    ) -> None:
        """Begin nothing yet.

        Args:
            command: Begins a worker; two arguments are added to it, the number of a file that
                is its end of a socket, and the worker's index.
            hang_timeout_s: One that is at a single call for so long hangs, and is replaced.
            events: Told of them.
        """
        self.workers: list[WorkerHandle] = []
        self.replaced_workers = 0
        self.is_failing = False
        self._command = command
        self._hang_timeout_s = hang_timeout_s
        self._events = events
        self._restarts: dict[asyncio.Task[None], WorkerHandle] = {}  # who has ended
        self._reaps: set[asyncio.Task[int]] = set()  # what has been killed, and not yet ended
        self._check_timer: asyncio.TimerHandle | None = None
        self._is_closing = False

    @property
    def pids(self) -> Mapping[int, int]:
        """The process id of each worker that is ready, by its index."""
        return {worker.index: worker.process.pid for worker in self.workers}

    async def start(self, size: int) -> list[object]:
        """Begin so many workers and return what each of them tells once it is ready.

        Raises:
            PhizError: One cannot begin its work.
        """
        beginning = [asyncio.create_task(self._start_worker(index)) for index in range(size)]
        try:
            hellos = await asyncio.gather(*beginning)
        except BaseException:
            for task in beginning:
                task.cancel()
            await asyncio.gather(*beginning, return_exceptions=True)
            await self.close()
            raise
        self._kill_hung_workers()
        return hellos

    def replace(self, worker: WorkerHandle) -> bool:
        """Begin another worker in the place of one whose connection has ended.

        Returns:
            Whether that is done: not if all are to end.
        """
        self.workers.remove(worker)
        if self._is_closing:
            return False
        worker.process.kill()
        self.replaced_workers += 1
        replacing = asyncio.create_task(self._restart_worker(worker))
        self._restarts[replacing] = worker
        replacing.add_done_callback(self._restarts.pop)
        return True

    async def close(self) -> None:
        """Let the workers end, and return when they have."""
        self._is_closing = True
        if self._check_timer is not None:
            self._check_timer.cancel()
        for replacing in self._restarts:
            replacing.cancel()
        workers = (*self.workers, *self._restarts.values())
        for worker in workers:
            worker.close()
            if all(task.is_complete for task in worker.tasks) and worker.tasks:
                worker.process.kill()  # nobody waits for what it is at
        await asyncio.gather(
            *(asyncio.to_thread(_wait_or_kill, worker.process) for worker in workers),
            *self._restarts,
            return_exceptions=True,
        )
        await asyncio.gather(*self._reaps)

    async def _start_worker(self, index: int) -> object:
        """Begin a worker and return what it tells once it is ready."""
        process, connection = self._spawn_process(index)
        worker = WorkerHandle(index, process, self._events)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=connection)
            hello = await worker.hello
        except BaseException:
            worker.hello.cancel()
            try:
                await self._kill_process(process)
            finally:
                worker.close()
            raise
        self.workers.append(worker)
        self._events.on_ready()
        return hello

    async def _kill_process(self, process: subprocess.Popen[bytes]) -> None:
        """End a process at once, and return when it has; one who is cancelled leaves the wait."""
        process.kill()
        reaping = asyncio.create_task(asyncio.to_thread(process.wait))
        self._reaps.add(reaping)
        reaping.add_done_callback(self._reaps.discard)
        await asyncio.shield(reaping)

    def _spawn_process(self, index: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
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

    async def _restart_worker(self, ended: WorkerHandle) -> None:
        """Begin a worker in the place of one that has ended."""
        status = await asyncio.to_thread(ended.process.wait)
        _log.warning(
            "worker %d (process %d) ended with status %d; restarting it",
            *(ended.index, ended.process.pid, status),
        )
        for pause_s in itertools.chain(RETRY_DELAYS_S, itertools.repeat(RETRY_DELAYS_S[-1])):
            await asyncio.sleep(pause_s)
            try:
                async with asyncio.timeout(START_TIMEOUT_S):
                    await self._start_worker(ended.index)
            except (PhizError, OSError) as error:  # which a TimeoutError is
                _log.error("worker %d cannot restart: %s", ended.index, error or "timed out")
            except Exception:  # noqa: BLE001  whatever it is, the place must not stay empty
                _log.exception("worker %d cannot restart", ended.index)
            else:
                self.is_failing = False
                return
            self.is_failing = True

    def _kill_hung_workers(self) -> None:
        """End the workers that hang; they are replaced then."""
        loop = asyncio.get_running_loop()
        for worker in self.workers:
            if worker.tasks and loop.time() - worker.task_started_s > self._hang_timeout_s:
                _log.error(
                    "worker %d has spent %g s on one request; restarting it",
                    *(worker.index, self._hang_timeout_s),
                )
                worker.process.kill()
        self._check_timer = loop.call_later(CHECK_INTERVAL_S, self._kill_hung_workers)


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
