"""The supervisor of the worker processes: starts, replaces and ends them."""

import asyncio
import itertools
import logging
import os
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from phiz.errors import PhizError
from phiz.system.malloc import add_huge_pages
from phiz.workers.handle import WorkerEvents, WorkerHandle
from phiz.workers.stderr import StderrReader
from phiz.workers.vitals import CHECK_INTERVAL_S

START_TIMEOUT_S: Final = 60.0  # of a replacement
STOP_TIMEOUT_S: Final = 2.0  # of an idle worker
# Before each attempt to replace a worker. The last one is the time that passes at most after a
# model's file is restored.
RETRY_DELAYS_S: Final = (0.0, 0.2, 1.0, 3.0)
STDERR_FD: Final = 2
# Cancelled work may take this long to its next checkpoint, which may be behind a call of a decoder.
# Replacing a worker costs about a second, so each time doubles the grace, and it returns slowly.
GRACE_S: Final = 2.0
MAX_GRACE_S: Final = 30.0
GRACE_DECAY: Final = 0.99  # for each check: by half in 17 s

_log = logging.getLogger(__name__)


class Supervisor:
    """Keeps a number of workers running.

    Attributes:
        workers: The ready workers.
        replaced_workers: Number of workers that ended and were to be replaced.
        is_failing: Whether the last attempt to replace a worker failed.
    """

    __slots__ = (
        "_check_timer",
        "_command",
        "_events",
        "_grace_s",
        "_hang_timeout_s",
        "_is_closing",
        "_reaps",
        "_restarts",
        "_stderrs",
        "is_failing",
        "replaced_workers",
        "workers",
    )

    def __init__(self, command: Sequence[str], hang_timeout_s: float, events: WorkerEvents) -> None:
        """Start nothing yet; ``command`` and ``hang_timeout_s`` are those of the pool."""
        self.workers: list[WorkerHandle] = []
        self.replaced_workers = 0
        self.is_failing = False
        self._command = command
        self._hang_timeout_s = hang_timeout_s
        self._grace_s = GRACE_S
        self._events = events
        self._restarts: dict[asyncio.Task[None], WorkerHandle] = {}  # of ended workers
        self._reaps: set[asyncio.Task[int]] = set()  # of killed processes
        self._stderrs: set[StderrReader] = set()
        self._check_timer: asyncio.TimerHandle | None = None
        self._is_closing = False

    @property
    def pids(self) -> Mapping[int, int]:
        """The process id of each ready worker by its index."""
        return {worker.index: worker.process.pid for worker in self.workers}

    async def start(self, size: int) -> list[object]:
        """Start some workers and return their hello messages.

        Raises:
            PhizError: A worker cannot start.
        """
        starts = [asyncio.create_task(self._start_worker(index)) for index in range(size)]
        try:
            hellos = await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self.close()
            raise
        self._check_workers()
        return hellos

    def replace(self, worker: WorkerHandle) -> bool:
        """Start a replacement for a worker whose connection has ended.

        Returns:
            False while the supervisor closes.
        """
        self.workers.remove(worker)
        if self._is_closing:
            return False
        worker.process.kill()
        self.replaced_workers += 1
        restart = asyncio.create_task(self._restart_worker(worker))
        self._restarts[restart] = worker
        restart.add_done_callback(self._restarts.pop)
        return True

    async def close(self) -> None:
        """End all workers."""
        self._is_closing = True
        if self._check_timer is not None:
            self._check_timer.cancel()
        for restart in self._restarts:
            restart.cancel()
        workers = (*self.workers, *self._restarts.values())
        for worker in workers:
            worker.close()
            if all(task.is_complete for task in worker.tasks) and worker.tasks:
                worker.process.kill()  # nobody waits for its task
        await asyncio.gather(
            *(asyncio.to_thread(_wait_or_kill, worker.process) for worker in workers),
            *self._restarts,
            return_exceptions=True,
        )
        await asyncio.gather(*self._reaps)
        for stderr in tuple(self._stderrs):
            stderr.close()

    async def _start_worker(self, index: int) -> object:
        """Start a worker and return its hello message."""
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
        """Kill a process and wait for its end, which a cancelled caller does not interrupt."""
        process.kill()
        reap = asyncio.create_task(asyncio.to_thread(process.wait))
        self._reaps.add(reap)
        reap.add_done_callback(self._reaps.discard)
        await asyncio.shield(reap)

    def _spawn_process(self, index: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Return the process of a worker, and our end of the socket to it."""
        ours, theirs = socket.socketpair()
        stderr = StderrReader(index)
        with theirs:
            try:
                process = subprocess.Popen(  # noqa: S603  our own command
                    [*self._command, str(theirs.fileno()), str(index)],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=STDERR_FD,  # for the log of the worker; see ``open_log_stream``
                    stderr=stderr.write_fd,
                    env=add_huge_pages(os.environ),  # its arrays are large
                    start_new_session=True,  # Ctrl+C in a terminal is for the service
                )
            except OSError:
                ours.close()
                stderr.abandon()
                raise
        self._stderrs.add(stderr)
        stderr.start(self._stderrs.discard)
        return process, ours

    async def _restart_worker(self, ended: WorkerHandle) -> None:
        """Start a replacement for an ended worker, and retry until it is ready."""
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
            except Exception:  # noqa: BLE001  any error must lead to another attempt
                _log.exception("worker %d cannot restart", ended.index)
            else:
                self.is_failing = False
                return
            self.is_failing = True

    def _check_workers(self) -> None:
        """Kill workers that hang or do not end cancelled work, so that they are replaced."""
        for worker in self.workers:
            worker.vitals.update(worker)
            if worker.vitals.is_stopped:
                _log.error(
                    "worker %d (process %d) was stopped by a signal; restarting it",
                    *(worker.index, worker.process.pid),
                )
                worker.process.kill()
            elif worker.vitals.silent_s > self._hang_timeout_s:
                _log.error(
                    "worker %d (process %d) has given no sign of life for %g s; restarting it",
                    *(worker.index, worker.process.pid, self._hang_timeout_s),
                )
                worker.process.kill()
            elif worker.vitals.abandoned_s > self._grace_s:
                _log.error(
                    "worker %d (process %d) has not ended cancelled work after %.1f s; restarting"
                    " it",
                    *(worker.index, worker.process.pid, self._grace_s),
                )
                worker.process.kill()
                self._grace_s = min(2 * self._grace_s, MAX_GRACE_S)
        self._grace_s = max(GRACE_S, GRACE_DECAY * self._grace_s)
        loop = asyncio.get_running_loop()
        self._check_timer = loop.call_later(CHECK_INTERVAL_S, self._check_workers)


def _wait_or_kill(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
