"""Open loop: requests at a constant rate, from a process of their own."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.cores import pin_to
from benchmarks.kit.errors import BenchmarkError
from benchmarks.load.servers import Server

WARM_UP_S = 1.0
ARRIVALS = (sys.executable, "-m", "benchmarks.load.arrivals")
SUCCESS, REFUSED, EXPIRED = "200", "503", "504"


@dataclass(frozen=True, slots=True)
class OpenLoopResult:
    """The answers to requests at a constant rate.

    ``answered`` is the number of all answers with success, in the warm-up too.
    Times begin when a request was due, and are of answers with success. Expired requests were
    admitted and not answered in time; refused ones were not admitted, and ``refusal_ms`` and
    ``refusal_p99_ms`` are of their times. ``late_ms`` is the median delay with which requests were
    sent.
    """

    offered: float
    answered: int
    rate: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    expired: int
    refused: int
    refusal_ms: float
    refusal_p99_ms: float
    late_ms: float


def run_open_loop(
    server: Server, rate: float, seconds: float, cores: frozenset[int]
) -> OpenLoopResult:
    """Return the answers to a server's request at a constant rate, after a second of warm-up.

    Raises:
        BenchmarkError: Requests were lost, or had another status.
    """
    whole = WARM_UP_S + seconds
    command = [*ARRIVALS, str(server.port), str(rate), str(whole)]
    message = server.request.to_message(server.port)
    with pin_to(cores):
        done = subprocess.run(command, input=message, check=False, capture_output=True)  # noqa: S603  our own
    if done.returncode:
        raise BenchmarkError(f"the load failed: {done.stderr.decode(errors='replace')}")
    arrivals = json.loads(done.stdout)
    answers = {status: np.array(each) for status, each in arrivals["answers"].items()}
    lost = arrivals["lost"]
    if lost or not answers.keys() <= {SUCCESS, EXPIRED, REFUSED} or SUCCESS not in answers:
        counts = {status: len(each) for status, each in answers.items()}
        raise BenchmarkError(f"of the requests {lost} were lost; by status: {counts}")
    return summarise_answers(answers, rate, whole, float(np.median(arrivals["late_ms"])))


def summarise_answers(
    answers: Mapping[str, NDArray[np.float64]], offered: float, until: float, late_ms: float
) -> OpenLoopResult:
    """Return the figures of answers by status, (N, 2): due time, s, and duration, ms.

    The first second is a warm-up; the last request was due at ``until``.
    """
    due, ms = answers[SUCCESS].T  # (N,), (N,)
    done = due + ms / 1000  # (N,)
    # Answers after the last request had the server to themselves.
    rate = np.count_nonzero((done >= WARM_UP_S) & (done < until)) / (until - WARM_UP_S)
    counted = ms[due >= WARM_UP_S]  # (N',)
    refusals = answers.get(REFUSED, np.empty((0, 2)))  # (R, 2)
    return OpenLoopResult(
        offered=offered,
        answered=len(due),
        rate=float(rate),
        p50_ms=float(np.percentile(counted, 50)),
        p99_ms=float(np.percentile(counted, 99)),
        most_ms=float(counted.max()),
        expired=len(answers.get(EXPIRED, ())),
        refused=len(refusals),
        refusal_ms=float(np.median(refusals[:, 1])) if len(refusals) else 0.0,
        refusal_p99_ms=float(np.percentile(refusals[:, 1], 99)) if len(refusals) else 0.0,
        late_ms=late_ms,
    )
