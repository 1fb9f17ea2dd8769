"""Closed loop: clients that each send again as soon as they are answered.

Several clients are in wrk. A single one has a bare socket, because its time is compared with the
time that the service reports.
"""

import json
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.kit.cores import pin_to
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HEAD_END, HOST, is_complete
from benchmarks.load.servers import Server

WARM_UP_S = 1
TIMEOUT_S = 20
CHUNK_BYTES = 1 << 16
WARM_UP_REQUESTS = 50
OUTPUT_MARK = "figures: "
# wrk writes for people, and this script adds a line of JSON. Latencies are in µs.
SCRIPT = """
local file = io.open("{body}", "rb")
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "{content_type}"
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '{mark}{{"requests": %d, "us": %d, "p50": %d, "p99": %d, "errors": %d, "refused": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.timeout, e.status))
end
"""


@dataclass(frozen=True, slots=True)
class ClosedLoopResult:
    """Answers a second, and the median and 99th percentile of their times."""

    rate: float
    p50_ms: float
    p99_ms: float


def find_wrk() -> str:
    """Return where wrk is.

    Raises:
        BenchmarkError: It is not installed.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise BenchmarkError("wrk is not installed; for example: apt-get install wrk")
    return wrk


def read_wrk_version() -> str:
    """Return the version of wrk."""
    # It treats the option as wrong usage, and prints its version nevertheless.
    completed = subprocess.run([find_wrk(), "-v"], check=False, capture_output=True, text=True)  # noqa: S603  our own arguments
    return completed.stdout.splitlines()[0].split(" [")[0].removeprefix("wrk ")


def run_closed_loop(
    server: Server, clients: int, seconds: int, cores: frozenset[int], *, warm_up: bool = True
) -> ClosedLoopResult:
    """Return the rate and times of answers to so many clients, after a warm-up.

    wrk has one thread, and each client a connection that it keeps.

    Raises:
        BenchmarkError: A request was not answered with success.
    """
    with tempfile.TemporaryDirectory(prefix="phiz-wrk-") as folder:
        body, script = Path(folder, "body"), Path(folder, "post.lua")
        body.write_bytes(server.request.body)
        content_type = server.request.content_type
        script.write_text(SCRIPT.format(body=body, content_type=content_type, mark=OUTPUT_MARK))
        url = f"http://{HOST}:{server.port}{server.request.path}"
        if warm_up:
            _run_wrk(url, script, clients, WARM_UP_S, cores)
        return _run_wrk(url, script, clients, seconds, cores)


def _run_wrk(
    url: str, script: Path, clients: int, seconds: int, cores: frozenset[int]
) -> ClosedLoopResult:
    command = [find_wrk(), "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", f"{TIMEOUT_S}s"]
    with pin_to(cores):
        done = subprocess.run(  # noqa: S603  our own arguments
            [*command, "-s", script, url], check=False, capture_output=True, text=True
        )
    _, _, line = done.stdout.rpartition(OUTPUT_MARK)
    if done.returncode or not line:
        raise BenchmarkError(f"wrk failed: {done.stdout}{done.stderr}")
    figures = json.loads(line)
    if figures["errors"] or figures["refused"] or not figures["requests"]:
        raise BenchmarkError(f"{url} did not answer every request: {line.strip()}")
    return ClosedLoopResult(
        1e6 * figures["requests"] / figures["us"], figures["p50"] / 1000, figures["p99"] / 1000
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
