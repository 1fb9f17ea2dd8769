"""Closed loop: so many clients in wrk, each of which sends again as soon as it is answered."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kit.cores import pin_to
from benchmarks.kit.errors import LoadError
from benchmarks.kit.requests import HOST
from benchmarks.load.servers import Server

WARM_UP_S = 1
TIMEOUT_S = 20
OUTPUT_MARK = "figures: "
# wrk's own words are for people; its last line is for us. Latencies are in µs.
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
    """What so many clients met.

    Attributes:
        rate: Answers a second.
        p50_ms: Median time of an answer.
        p99_ms: Of a hundred answers, one takes longer.
    """

    rate: float
    p50_ms: float
    p99_ms: float


def find_wrk() -> str:
    """Return where wrk is.

    Raises:
        LoadError: It is not installed.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise LoadError("wrk is not installed; for example: apt-get install wrk")
    return wrk


def run_closed_loop(
    server: Server, clients: int, seconds: int, cores: frozenset[int], *, warm_up: bool = True
) -> ClosedLoopResult:
    """Return what so many clients meet, after a warm-up.

    Args:
        server: Is sent its request.
        clients: At once, each on a connection that it keeps.
        seconds: That count.
        cores: That the clients are kept to; wrk has one thread.
        warm_up: Whether a second that does not count comes first.

    Raises:
        LoadError: A request was not answered with success.
    """
    with tempfile.TemporaryDirectory(prefix="phiz-wrk-") as folder:
        script = _write_script(server, Path(folder))
        url = f"http://{HOST}:{server.port}{server.request.path}"
        if warm_up:
            _run_wrk(url, script, clients, WARM_UP_S, cores)
        return _run_wrk(url, script, clients, seconds, cores)


def _write_script(server: Server, folder: Path) -> Path:
    """Return the file of wrk's script."""
    body, script = folder / "body", folder / "post.lua"
    body.write_bytes(server.request.body)
    content_type = server.request.content_type
    script.write_text(SCRIPT.format(body=body, content_type=content_type, mark=OUTPUT_MARK))
    return script


def _run_wrk(
    url: str, script: Path, clients: int, seconds: int, cores: frozenset[int]
) -> ClosedLoopResult:
    command = [find_wrk(), "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", f"{TIMEOUT_S}s"]
    with pin_to(cores):
        done = subprocess.run(  # noqa: S603  our own arguments
            [*command, "-s", script, url],
            check=False,
            capture_output=True,
            text=True,
        )
    _, _, line = done.stdout.rpartition(OUTPUT_MARK)
    if done.returncode or not line:
        raise LoadError(f"wrk failed: {done.stdout}{done.stderr}")
    figures = json.loads(line)
    if figures["errors"] or figures["refused"] or not figures["requests"]:
        raise LoadError(f"{url} did not answer every request: {line.strip()}")
    return ClosedLoopResult(
        1e6 * figures["requests"] / figures["us"], figures["p50"] / 1000, figures["p99"] / 1000
    )
