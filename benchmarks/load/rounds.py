"""A round measures everything once, so that all servers meet the same noise."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.kit.cores import Cores, pin_to
from benchmarks.kit.environments import PEERS
from benchmarks.kit.workers import WorkerSet, open_workers
from benchmarks.load import closed, opened
from benchmarks.load.closed import ClosedLoopResult
from benchmarks.load.contenders import PHIZ, Contender, make_phiz
from benchmarks.load.opened import OpenLoopResult
from benchmarks.load.servers import check_answer, start_server
from phiz.lab.study.timing import rotate_order

CLIENTS: Final = 8
CLIENT_COUNTS: Final = (1, 4, 16, 64)  # for batches beside single images
BATCHES: Final = (1, 8)  # the most images in one
DEADLINE_S: Final = 0.5  # under overload
STEADY_FACTOR, OVERLOAD_FACTOR = 0.7, 3.0  # of the rate of 8 clients
ALONE: Final = ("answer", "in process")
ALONE_RUNS: Final = 600
CLIENT_REQUESTS: Final = 300
SLOW_FACTOR: Final = 3  # times as many seconds for a server with few answers a second

WORKERS, CLIENT, ARRIVALS, BATCHING = "workers", "client", "arrivals", "batching"
PARTS: Final = (WORKERS, CLIENT, ARRIVALS, BATCHING)


@dataclass(slots=True)
class Round:
    """The figures of one round, by contender; parts that were not wanted are empty or None.

    ``alone_ms`` is an answer in process, right before and after the load. ``excess_ms`` is a single
    client's time beyond ``timing_ms.total``. ``overload_share`` is the number of answers for
    processor time under overload, to those at capacity. ``batching`` is by largest batch and
    clients.
    """

    alone_ms: dict[str, float] = field(default_factory=dict)
    closed: dict[str, ClosedLoopResult] = field(default_factory=dict)
    two: ClosedLoopResult | None = None
    excess_ms: float | None = None
    steady: OpenLoopResult | None = None
    overload: OpenLoopResult | None = None
    overload_share: float | None = None
    batching: dict[str, dict[int, ClosedLoopResult]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings that all rounds share.

    ``in_process`` has one worker, which answers in process; ``runs`` are the facts of its runs.
    """

    contenders: Sequence[Contender]
    parts: Sequence[str]
    image_bytes: bytes
    seconds: int
    cores: Cores
    in_process: WorkerSet
    runs: list[dict[str, Any]]

    def run_round(self, number: int, report_step: Callable[[str], None]) -> Round:
        """Return the figures of a round.

        Raises:
            BenchmarkError: A server does not answer as it should, or the worker has ended.
        """
        before, faces = self._answer_in_process()
        held = Round()
        by_name = {contender.name: contender for contender in self.contenders}
        for name in rotate_order(list(by_name), number):
            report_step(name)
            with start_server(by_name[name], self.image_bytes, self.cores.server) as server:
                check_answer(by_name[name], faces, server.answer)
                is_slow = by_name[name].is_slow
                seconds = SLOW_FACTOR * self.seconds if is_slow else self.seconds
                held.closed[name] = closed.run_closed_loop(
                    server, CLIENTS, seconds, self.cores.load, warm_up=not is_slow
                )
            after, _ = self._answer_in_process()
            held.alone_ms[name] = (before + after) / 2
            before = after
        self._run_parts(held, report_step)
        return held

    def _answer_in_process(self) -> tuple[float, list[Any]]:
        """Return the median ms of an answer in process, and its faces."""
        runs = self.in_process.run(ALONE, 0, ALONE_RUNS)
        self.runs.extend(runs)
        return median(run["wall"] for run in runs), runs[-1]["faces"]

    def _run_parts(self, held: Round, report_step: Callable[[str], None]) -> None:
        steps = {
            WORKERS: self._measure_two_workers,
            CLIENT: self._measure_one_client,
            ARRIVALS: self._measure_arrivals,
            BATCHING: self._measure_batching,
        }
        for part in self.parts:
            report_step(part)
            steps[part](held)

    def _measure_two_workers(self, held: Round) -> None:
        with start_server(make_phiz(workers=2), self.image_bytes, self.cores.both) as server:
            held.two = closed.run_closed_loop(server, CLIENTS, self.seconds, self.cores.both)

    def _measure_one_client(self, held: Round) -> None:
        with start_server(make_phiz(), self.image_bytes, self.cores.server) as server:
            held.excess_ms = closed.measure_excess_ms(server, CLIENT_REQUESTS, self.cores.load)

    def _measure_arrivals(self, held: Round) -> None:
        capacity, load = held.closed[PHIZ].rate, self.cores.load
        with start_server(make_phiz(), self.image_bytes, self.cores.server) as server:
            held.steady = opened.run_open_loop(server, STEADY_FACTOR * capacity, self.seconds, load)
        hurry = {"PHIZ_DEADLINE": str(DEADLINE_S)}
        with start_server(make_phiz(), self.image_bytes, self.cores.server, hurry) as server:
            begun_s = server.read_processor_s()
            closed_loop = closed.run_closed_loop(server, CLIENTS, self.seconds, load, warm_up=False)
            at_capacity_s = server.read_processor_s() - begun_s
            held.overload = opened.run_open_loop(
                server, OVERLOAD_FACTOR * capacity, self.seconds, load
            )
            overloaded_s = server.read_processor_s() - begun_s - at_capacity_s
            held.overload_share = (held.overload.answered / overloaded_s) / (
                closed_loop.rate * self.seconds / at_capacity_s
            )

    def _measure_batching(self, held: Round) -> None:
        contenders = (make_phiz(), *map(make_batching, BATCHES))
        held.batching = {contender.title: {} for contender in contenders}
        with ExitStack() as ends:
            servers = {
                contender.title: ends.enter_context(
                    start_server(contender, self.image_bytes, self.cores.server)
                )
                for contender in contenders
            }
            seconds = max(1, self.seconds // 2)
            for turn, clients in enumerate(CLIENT_COUNTS):
                # The servers that are not under load wait for a connection, and take no time.
                for way in rotate_order(list(servers), turn):
                    met = closed.run_closed_loop(servers[way], clients, seconds, self.cores.load)
                    held.batching[way][clients] = met


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
