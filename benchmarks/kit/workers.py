"""The workers of the speed benchmark, each a process in an environment of its own.

Their side, and what is said between the two, is ``peers/turns.py``.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, TypeAlias

ANSWER_TIMEOUT_S = 600.0  # with one line; the longest is to load a framework and its networks
EXIT_TIMEOUT_S = 10.0
# What a thread count given to a library does not reach.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

ContestEntry: TypeAlias = tuple[str, str]
"""A contest, and who takes part in it."""


class WorkerError(Exception):
    """A worker ended, or said nothing for too long."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that runs tasks.

    Attributes:
        name: For people.
        process: Reads requests and writes answers.
        places: Of its tasks, by contest and who takes part.
        versions: Of what it measures, by package.
    """

    name: str
    process: subprocess.Popen[str]
    places: dict[ContestEntry, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def wait_until_ready(self) -> None:
        """Wait until it is ready.

        Raises:
            WorkerError: It never is.
        """
        hello = self._read_answer()
        self.places.update({(contest, who): n for n, (contest, who) in enumerate(hello["tasks"])})
        self.versions.update(hello["versions"])

    def run(self, entry: ContestEntry, item: int, repeats: int) -> list[dict[str, Any]]:
        """Return what it tells of so many runs of a task.

        Raises:
            WorkerError: It has ended, or does not answer.
        """
        request = {"task": self.places[entry], "item": item, "repeats": repeats}
        assert self.process.stdin is not None, "it is a pipe"
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"the worker {self.name} has ended; see above") from None
        runs: list[dict[str, Any]] = self._read_answer()["runs"]
        return runs

    def stop(self) -> None:
        """End it, kindly at first."""
        assert self.process.stdin is not None, "it is a pipe"
        try:
            self.process.stdin.close()
            self.process.wait(EXIT_TIMEOUT_S)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def _read_answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None, "it is a pipe"
        guard = Timer(ANSWER_TIMEOUT_S, self.process.kill)
        guard.start()
        try:
            line = self.process.stdout.readline()
        finally:
            guard.cancel()
        if not line:
            raise WorkerError(f"the worker {self.name} ended or was too slow; see above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True, slots=True)
class WorkerSet:
    """All workers."""

    workers: Sequence[Worker]

    def list_contests(self) -> Mapping[str, list[str]]:
        """Return who takes part in each contest."""
        parts: dict[str, list[str]] = {}
        for worker in self.workers:
            for contest, who in worker.places:
                parts.setdefault(contest, []).append(who)
        return parts

    def run(self, entry: ContestEntry, item: int, repeats: int) -> list[dict[str, Any]]:
        """Return what is told of so many runs of a task.

        Raises:
            WorkerError: The task's worker has ended, or does not answer.
        """
        worker = next(worker for worker in self.workers if entry in worker.places)
        return worker.run(entry, item, repeats)


@contextmanager
def open_workers(commands: Mapping[str, Sequence[str | Path]]) -> Iterator[WorkerSet]:
    """Give workers that are ready, and end them afterwards.

    Args:
        commands: By the name of the worker.

    Raises:
        WorkerError: One does not start.
    """
    with ExitStack() as ends:
        workers = []
        for name, command in commands.items():
            worker = Worker(name, start_process(command))
            ends.callback(worker.stop)
            worker.wait_until_ready()
            workers.append(worker)
        yield WorkerSet(workers)


def start_process(command: Sequence[str | Path]) -> subprocess.Popen[str]:
    """Return a process that is told to use one thread; it keeps to this process's cores."""
    return subprocess.Popen(  # noqa: S603  a Python that was named, and a file beside this one
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD},
    )
