"""Closed loops: several clients, in a process of their own, and a single one.

The single one is a bare socket, because its time is compared with the time that the service
reports.
"""

import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from statistics import median

from benchmarks.kit.cores import pin_to
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HEAD_END, HOST, is_complete
from benchmarks.load.servers import Server

WARM_UP_S = 1.0
CHUNK_BYTES = 1 << 16
WARM_UP_REQUESTS = 50
LOOP = (sys.executable, "-m", "benchmarks.load.closed_loop")


@dataclass(frozen=True, slots=True)
class ClosedLoopResult:
    """Answers a second, the median and 99th percentile of their times, and the work for each.

    ``service_ms`` is the processor time a request of the process that has begun the server's
    others, and ``workers_ms`` that of these together. Instructions are likewise, a request; None
    is what the machine does not count.
    """

    rate: float
    p50_ms: float
    p99_ms: float
    service_ms: float
    workers_ms: float
    service_instructions: float | None
    workers_instructions: float | None

    @property
    def processor_ms(self) -> float:
        """Processor time a request of all processes."""
        return self.service_ms + self.workers_ms


def run_closed_loop(
    server: Server,
    clients: int,
    seconds: float,
    cores: frozenset[int],
    *,
    warm_up_s: float = WARM_UP_S,
) -> ClosedLoopResult:
    """Return the rate, the times and the cost of answers to so many clients, after a warm-up.

    Each client has a connection that it keeps.

    Raises:
        BenchmarkError: A request was not answered with success.
    """
    numbers = server.port, clients, seconds, warm_up_s
    command = [*LOOP, *map(str, numbers), ",".join(map(str, server.list_processes()))]
    message = server.request.to_message(server.port)
    with pin_to(cores):
        done = subprocess.run(command, input=message, check=False, capture_output=True)  # noqa: S603  our own
    if done.returncode:
        raise BenchmarkError(f"the load failed: {done.stderr.decode(errors='replace')}")
    figures = json.loads(done.stdout)
    answers = figures["answers"]
    service_s, workers_s = figures["processor_s"]
    counts = (count and count / answers for count in figures["instructions"])
    return ClosedLoopResult(
        answers / figures["elapsed_s"],
        figures["p50_ms"],
        figures["p99_ms"],
        1000 * service_s / answers,
        1000 * workers_s / answers,
        *counts,
    )


def measure_excess_ms(server: Server, requests: int, cores: frozenset[int]) -> float:
    """Return the median of a single client's time beyond ``timing_ms.total`` of phiz, ms.

    The client's time is from before the first byte is sent to the last byte of the answer.

    Raises:
        BenchmarkError: The connection was closed.
    """
    message = server.request.to_message(server.port)
    with pin_to(cores), socket.create_connection((HOST, server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        excesses = [
            _measure_excess(connection, message) for _ in range(WARM_UP_REQUESTS + requests)
        ]
    return median(excesses[WARM_UP_REQUESTS:])


def _measure_excess(connection: socket.socket, message: bytes) -> float:
    started = time.perf_counter()
    connection.sendall(message)
    received = b""
    while not is_complete(received):
        chunk = connection.recv(CHUNK_BYTES)
        if not chunk:
            raise BenchmarkError("the service closed the connection of a client that keeps it")
        received += chunk
    took_ms = 1000 * (time.perf_counter() - started)
    total_ms: float = json.loads(received.partition(HEAD_END)[2])["timing_ms"]["total"]
    return took_ms - total_ms
