"""One round after the other: everything once, so that all meet the same noise."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.kit.environments import PEERS
from benchmarks.kit.workers import Crew, crew
from benchmarks.load import closed, opened
from benchmarks.load.closed import Closed
from benchmarks.load.contenders import PHIZ, Contender, ours
from benchmarks.load.cores import Cores, kept_to
from benchmarks.load.opened import Opened
from benchmarks.load.servers import Server, check, serving
from benchmarks.load.single import excess_ms
from phiz.lab.timing.bench import rotated

CLIENTS: Final = 8
CROWDS: Final = (1, 4, 16, 64)  # clients, where batches are compared with single pictures
BATCHES: Final = (1, 8)  # the most pictures in one
DEADLINE_S: Final = 0.5  # where more comes than can be answered
STEADY, TOO_MUCH = 0.7, 3.0  # of what 8 clients get answered
ALONE: Final = ("answer", "in process")
ALONE_RUNS: Final = 600
CLIENT_REQUESTS: Final = 300
SLOWLY: Final = 3  # times as many seconds for one who answers a few times in one

WORKERS, CLIENT, ARRIVALS, BATCHING = "workers", "client", "arrivals", "batching"
PARTS: Final = (WORKERS, CLIENT, ARRIVALS, BATCHING)


@dataclass(slots=True)
class Round:
    """What one round gave; what was not asked for is empty or None.

    Attributes:
        alone_ms: By contender, an answer in process, right before and after it was under load.
        closed: By contender, what 8 clients met.
        two: What they met at phiz with two workers on both cores.
        excess_ms: What one client waits beyond ``timing_ms.total``.
        steady: What came of 0.7 of the rate that 8 clients get.
        overload: What came of three times as much, with a deadline of 0.5 s.
        batching: By way of work and clients, what these met.
    """

    alone_ms: dict[str, float] = field(default_factory=dict)
    closed: dict[str, Closed] = field(default_factory=dict)
    two: Closed | None = None
    excess_ms: float | None = None
    steady: Opened | None = None
    overload: Opened | None = None
    batching: dict[str, dict[int, Closed]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """What all rounds share.

    Attributes:
        contenders: phiz among them.
        parts: What else is measured, of ``PARTS``.
        picture: That everybody is sent, encoded.
        seconds: Of each load.
        cores: Who runs where.
        alone: Has one worker, which answers in process.
        runs: What that told of all its runs.
    """

    contenders: Sequence[Contender]
    parts: Sequence[str]
    picture: bytes
    seconds: int
    cores: Cores
    alone: Crew
    runs: list[dict[str, Any]]

    def hold(self, number: int, tell: Callable[[str], None]) -> Round:
        """Return what a round gives.

        Raises:
            LoadError: A server does not answer as it should.
            WorkerError: The worker that answers in process has ended.
        """
        before, faces = self._answer_alone()
        held = Round()
        by_name = {contender.name: contender for contender in self.contenders}
        for name in rotated(list(by_name), number):
            tell(name)
            with serving(by_name[name], self.picture, self.cores.server) as server:
                check(by_name[name], faces, server.answer)
                held.closed[name] = self._drive(server, by_name[name])
            after, _ = self._answer_alone()
            held.alone_ms[name] = (before + after) / 2
            before = after
        self._hold_parts(held, tell)
        return held

    def _answer_alone(self) -> tuple[float, list[Any]]:
        """Return the median ms of an answer in process, and its faces."""
        runs = self.alone.run(ALONE, 0, ALONE_RUNS)
        self.runs.extend(runs)
        return median(run["wall"] for run in runs), runs[-1]["faces"]

    def _drive(self, server: Server, contender: Contender) -> Closed:
        seconds = SLOWLY * self.seconds if contender.slow else self.seconds
        return closed.drive(server, CLIENTS, seconds, self.cores.load, warm_up=not contender.slow)

    def _hold_parts(self, held: Round, tell: Callable[[str], None]) -> None:
        steps = {
            WORKERS: self._two_workers,
            CLIENT: self._one_client,
            ARRIVALS: self._arrivals,
            BATCHING: self._batching,
        }
        for part in self.parts:
            tell(part)
            steps[part](held)

    def _two_workers(self, held: Round) -> None:
        with serving(ours(workers=2), self.picture, self.cores.both) as server:
            held.two = closed.drive(server, CLIENTS, self.seconds, self.cores.both)

    def _one_client(self, held: Round) -> None:
        with serving(ours(), self.picture, self.cores.server) as server:
            held.excess_ms = excess_ms(server, CLIENT_REQUESTS, self.cores.load)

    def _arrivals(self, held: Round) -> None:
        capacity, load = held.closed[PHIZ].rate, self.cores.load
        with serving(ours(), self.picture, self.cores.server) as server:
            held.steady = opened.drive(server, STEADY * capacity, self.seconds, load)
        hurry = {"PHIZ_DEADLINE": str(DEADLINE_S)}
        with serving(ours(), self.picture, self.cores.server, hurry) as server:
            held.overload = opened.drive(server, TOO_MUCH * capacity, self.seconds, load)

    def _batching(self, held: Round) -> None:
        contenders = (ours(), *map(batched, BATCHES))
        held.batching = {contender.title: {} for contender in contenders}
        with ExitStack() as ends:
            servers = {
                contender.title: ends.enter_context(
                    serving(contender, self.picture, self.cores.server)
                )
                for contender in contenders
            }
            seconds = max(1, self.seconds // 2)
            for turn, clients in enumerate(CROWDS):
                # Who is not under load waits for a connection, and takes no time.
                for way in rotated(list(servers), turn):
                    met = closed.drive(servers[way], clients, seconds, self.cores.load)
                    held.batching[way][clients] = met


def batched(most: int) -> Contender:
    """Return phiz with a worker that runs the network once for so many pictures at most."""
    arguments = ours().command[3:]  # after "python -m phiz"
    command = (sys.executable, "-m", "benchmarks.load.batched", str(most), *arguments)
    return Contender(f"phiz in batches of {most}", f"up to {most}", command, ours().path)


@contextmanager
def in_process(picture: Path, cores: Cores) -> Iterator[Crew]:
    """Give the worker that answers in process, on the servers' core."""
    commands: Mapping[str, Sequence[str | Path]] = {
        "alone": [sys.executable, PEERS / "alone.py", picture]
    }
    with ExitStack() as ends:
        with kept_to(cores.server):
            worker = ends.enter_context(crew(commands))
        yield worker
