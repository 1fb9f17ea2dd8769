"""Workers: processes that run tasks, each in an environment of its own.

``peers/turns.py`` is their side, and describes the messages.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import IO, Any, TypeAlias

from benchmarks.kit.errors import BenchmarkError

ANSWER_TIMEOUT_S = 600.0  # with one line; the longest is to load a framework and its networks
EXIT_TIMEOUT_S = 10.0
# For threads that a library's own thread count does not limit.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

ContestEntry: TypeAlias = tuple[str, str]
"""A contest, and the name of a participant."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process that runs tasks: their places, and the versions of what it measures."""

    name: str
    process: subprocess.Popen[str]
    places: dict[ContestEntry, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def pipes(self) -> tuple[IO[str], IO[str]]:
        """Its standard input and output."""
        assert self.process.stdin is not None, "it is a pipe"
        assert self.process.stdout is not None, "it is a pipe"
        return self.process.stdin, self.process.stdout

    def wait_until_ready(self) -> None:
        """Wait until it is ready.

        Raises:
            BenchmarkError: It never is.
        """
        hello = self._read_answer()
        self.places.update({tuple(entry): place for place, entry in enumerate(hello["tasks"])})
        self.versions.update(hello["versions"])

    def run(self, entry: ContestEntry, item: int, repeats: int) -> list[dict[str, Any]]:
        """Return the facts of so many runs of a task.

        Raises:
            BenchmarkError: It has ended, or does not answer.
        """
        request = {"task": self.places[entry], "item": item, "repeats": repeats}
        requests, _ = self.pipes
        try:
            requests.write(json.dumps(request) + "\n")
            requests.flush()
        except BrokenPipeError:
            raise BenchmarkError(f"the worker {self.name} has ended; see above") from None
        runs: list[dict[str, Any]] = self._read_answer()["runs"]
        return runs

    def stop(self) -> None:
        """End it, kindly at first."""
        try:
            self.pipes[0].close()
            self.process.wait(EXIT_TIMEOUT_S)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def _read_answer(self) -> dict[str, Any]:
        guard = Timer(ANSWER_TIMEOUT_S, self.process.kill)
        guard.start()
        try:
            line = self.pipes[1].readline()
        finally:
            guard.cancel()
        if not line:
            raise BenchmarkError(f"the worker {self.name} ended or was too slow; see above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@dataclass(frozen=True, slots=True)
class WorkerSet:
    """All workers."""

    workers: Sequence[Worker]

    def list_contests(self) -> Mapping[str, list[str]]:
        """Return the participants of each contest."""
        entries = [entry for worker in self.workers for entry in worker.places]
        return {name: [who for other, who in entries if other == name] for name, _ in entries}

    def run(self, entry: ContestEntry, item: int, repeats: int) -> list[dict[str, Any]]:
        """Return the facts of so many runs of a task, as its worker's ``run`` does."""
        worker = next(worker for worker in self.workers if entry in worker.places)
        return worker.run(entry, item, repeats)


@contextmanager
def open_workers(commands: Mapping[str, Sequence[str | Path]]) -> Iterator[WorkerSet]:
    """Give workers by their names and commands, and stop them afterwards.

    Raises:
        BenchmarkError: One does not start.
    """
    with ExitStack() as ends:
        workers = []
        for name, command in commands.items():
            process = subprocess.Popen(  # noqa: S603  a Python that was named, and a file of ours
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, **ONE_THREAD},  # it keeps to this process's cores
            )
            workers.append(Worker(name, process))
            ends.callback(workers[-1].stop)
            workers[-1].wait_until_ready()
        yield WorkerSet(workers)
