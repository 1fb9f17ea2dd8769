"""Rounds of short turns: each has every server once, and the same answers in process between."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.kit.cores import Cores, pin_to
from benchmarks.kit.environments import PEERS
from benchmarks.kit.goals import CLOCKS, Clock
from benchmarks.kit.requests import encode_portrait, encode_raw
from benchmarks.kit.workers import WorkerSet, open_workers
from benchmarks.load.closed import (
    WARM_UP_S,
    ClosedLoopResult,
    measure_excess_ms,
    run_closed_loop,
)
from benchmarks.load.contenders import PHIZ, RAW, Contender, make_phiz, make_phiz_raw
from benchmarks.load.opened import OpenLoopResult, run_open_loop
from benchmarks.load.servers import Server, check_answer, start_server
from phiz.lab.study.timing import rotate_order

CLIENTS: Final = 8
CLIENT_COUNTS: Final = (1, 4, 16, 64)  # for batches beside single images
BATCHES: Final = (1, 8)  # the most images in one
DEADLINE_S: Final = 0.5  # under overload
STEADY_FACTOR, OVERLOAD_FACTOR = 0.7, 3.0  # of the rate of 8 clients
ALONE: Final = ("front", "in process")
ALONE_RUNS: Final = 500  # for each second of a load
CLIENT_REQUESTS: Final = 300
TURN_WARM_UP_S: Final = 0.2  # of a server that has been idle for a turn
PART_FACTOR: Final = 4  # times a turn's load, in a part
PART_EVERY: Final = 3  # rounds

WORKERS, PORTRAIT, CLIENT = "workers", "portrait", "client"
ARRIVALS, BATCHING = "arrivals", "batching"
PARTS: Final = (WORKERS, PORTRAIT, CLIENT, ARRIVALS, BATCHING)


@dataclass(slots=True)
class Round:
    """The figures of one round, by contender; parts that were not wanted are empty or None.

    ``alone_ms`` is an answer in process, right before and after the load, and
    ``alone_processor_ms`` its processor time. ``beside`` is phiz, in turns with each peer: with
    the image as the whole body if the peer has that. ``one`` and ``two`` are the workers of phiz
    on both cores. ``excess_ms`` is a single client's time beyond ``timing_ms.total``.
    ``capacity`` is the rate of 8 clients right before the constant rates, and ``overload_share``
    the number of answers for processor time under overload, to those at capacity. ``batching`` is
    by largest batch and clients.
    """

    alone_ms: dict[str, float] = field(default_factory=dict)
    alone_processor_ms: dict[str, float] = field(default_factory=dict)
    closed: dict[str, ClosedLoopResult] = field(default_factory=dict)
    beside: dict[str, ClosedLoopResult] = field(default_factory=dict)
    one: ClosedLoopResult | None = None
    two: ClosedLoopResult | None = None
    portrait: ClosedLoopResult | None = None
    excess_ms: float | None = None
    capacity: float | None = None
    steady: OpenLoopResult | None = None
    overload: OpenLoopResult | None = None
    overload_share: float | None = None
    batching: dict[str, dict[int, ClosedLoopResult]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that all rounds share.

    ``in_process`` has one worker, which answers in process; ``runs`` are the facts of its runs.
    A turn's load lasts ``seconds``.
    """

    contenders: Sequence[Contender]
    parts: Sequence[str]
    image_bytes: bytes
    seconds: int
    cores: Cores
    in_process: WorkerSet
    runs: list[dict[str, Any]]

    def run_rounds(self, count: int, report_step: Callable[[str], None]) -> list[Round]:
        """Return the figures of all rounds; parts are in every third of them.

        Raises:
            BenchmarkError: A server does not answer as it should, or the worker has ended.
        """
        rounds = [Round() for _ in range(count)]
        for contender in self.contenders:
            self._run_turns(contender, rounds, report_step)
        steps = {
            WORKERS: self._measure_workers,
            PORTRAIT: self._measure_portrait,
            CLIENT: self._measure_one_client,
            ARRIVALS: self._measure_arrivals,
            BATCHING: self._measure_batching,
        }
        for number, held in enumerate(rounds[::PART_EVERY]):
            for part in self.parts:
                report_step(f"{part}, round {number + 1}")
                steps[part](held)
        return rounds

    def _run_turns(
        self, contender: Contender, rounds: Sequence[Round], report_step: Callable[[str], None]
    ) -> None:
        """Load a server in turns with phiz and with the same answers in process.

        Both servers run all the time, and the turns are short, so that a neighbour on the machine
        meets all of them alike.
        """
        rival = make_rival(contender)
        by_name = {each.name: each for each in (contender, rival) if each}
        before, faces = self._answer_in_process()
        with ExitStack() as ends:
            servers = {}
            for name, each in by_name.items():
                report_step(f"{contender.title}: start of {each.title}")
                starting = start_server(each, self.image_bytes, self.cores.server)
                servers[name] = ends.enter_context(starting)
                check_answer(each, faces, servers[name].answer)
                if not each.is_slow:
                    self._load(servers[name], WARM_UP_S, 0)
            for number, held in enumerate(rounds):
                report_step(f"{contender.title}, round {number + 1}")
                for name in rotate_order(list(servers), number):
                    warm_up_s = 0.0 if by_name[name].is_slow else TURN_WARM_UP_S
                    found = self._load(servers[name], self.seconds, warm_up_s)
                    after, _ = self._answer_in_process()
                    if name == contender.name:
                        held.closed[name] = found
                        held.alone_ms[name] = (before["wall"] + after["wall"]) / 2
                        both = before["processor"], after["processor"]
                        held.alone_processor_ms[name] = sum(both) / 2
                    else:
                        held.beside[contender.name] = found
                    before = after

    def _load(self, server: Server, seconds: float, warm_up_s: float) -> ClosedLoopResult:
        """Return the figures of 8 clients, which are on a core of their own."""
        return run_closed_loop(server, CLIENTS, seconds, self.cores.load, warm_up_s=warm_up_s)

    def _answer_in_process(self) -> tuple[dict[Clock, float], list[Any]]:
        """Return the median ms of an answer in process by clock, and its faces."""
        runs = self.in_process.run(ALONE, 0, ALONE_RUNS * self.seconds)
        self.runs.extend(runs)
        return {clock: median(run[clock] for run in runs) for clock in CLOCKS}, runs[-1]["faces"]

    @property
    def _part_seconds(self) -> int:
        return PART_FACTOR * self.seconds

    def _start(
        self, contender: Contender, cores: frozenset[int], **variables: str
    ) -> AbstractContextManager[Server]:
        return start_server(contender, self.image_bytes, cores, variables)

    def _measure_workers(self, held: Round) -> None:
        both = self.cores.both
        with self._start(make_phiz(), self.cores.server) as server:
            held.one = self._load(server, self._part_seconds, WARM_UP_S)
        with self._start(make_phiz(workers=2), both) as server:
            held.two = run_closed_loop(server, CLIENTS, self._part_seconds, both)

    def _measure_portrait(self, held: Round) -> None:
        with start_server(make_phiz(), encode_portrait(), self.cores.server) as server:
            held.portrait = self._load(server, self._part_seconds, WARM_UP_S)

    def _measure_one_client(self, held: Round) -> None:
        with self._start(make_phiz(), self.cores.server) as server:
            held.excess_ms = measure_excess_ms(server, CLIENT_REQUESTS, self.cores.load)

    def _measure_arrivals(self, held: Round) -> None:
        seconds, load = self._part_seconds, self.cores.load
        with self._start(make_phiz(), self.cores.server) as server:
            capacity = self._load(server, seconds, WARM_UP_S).rate
            held.steady = run_open_loop(server, STEADY_FACTOR * capacity, seconds, load)
        hurried = self._start(make_phiz(), self.cores.server, PHIZ_DEADLINE=str(DEADLINE_S))
        with hurried as server:
            closed_loop = self._load(server, seconds, WARM_UP_S)
            begun_s = server.read_processor_s()
            offered = OVERLOAD_FACTOR * closed_loop.rate
            held.overload = run_open_loop(server, offered, seconds, load)
            overloaded_ms = 1000 * (server.read_processor_s() - begun_s) / held.overload.answered
        held.capacity = closed_loop.rate
        held.overload_share = closed_loop.processor_ms / overloaded_ms

    def _measure_batching(self, held: Round) -> None:
        contenders = (make_phiz(), *map(make_batching, BATCHES))
        held.batching = {contender.title: {} for contender in contenders}
        with ExitStack() as ends:
            servers = {
                contender.title: ends.enter_context(self._start(contender, self.cores.server))
                for contender in contenders
            }
            seconds = max(1, self._part_seconds // 2)
            for turn, clients in enumerate(CLIENT_COUNTS):
                # The servers that are not under load wait for a connection, and take no time.
                for way in rotate_order(list(servers), turn):
                    met = run_closed_loop(servers[way], clients, seconds, self.cores.load)
                    held.batching[way][clients] = met


def make_rival(contender: Contender) -> Contender | None:
    """Return phiz with the same kind of body as a peer, or None for phiz itself."""
    if contender.name in {PHIZ, RAW}:
        return None
    return make_phiz_raw() if contender.encode is encode_raw else make_phiz()


def make_batching(most: int) -> Contender:
    """Return phiz with a worker that runs the network once for at most so many images."""
    arguments = make_phiz().command[3:]  # after "python -m phiz"
    command = (sys.executable, "-m", "benchmarks.load.batching", str(most), *arguments)
    return Contender(f"phiz in batches of {most}", f"up to {most}", command, make_phiz().path)


@contextmanager
def open_in_process(image_file: Path, cores: Cores) -> Iterator[WorkerSet]:
    """Give the worker that answers in process, on the servers' core."""
    command: Sequence[str | Path] = [sys.executable, PEERS / "detector.py", image_file]
    with ExitStack() as ends:
        with pin_to(cores.server):
            worker = ends.enter_context(open_workers({"alone": command}))
        yield worker
