"""What the service does with requests that come at a constant rate."""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.cores import pin_to
from benchmarks.kit.errors import LoadError
from benchmarks.load.servers import Server

WARM_UP_S = 1.0
SUCCESS, REFUSED, EXPIRED = "200", "503", "504"


@dataclass(frozen=True, slots=True)
class OpenLoopResult:
    """What came of a constant rate.

    Attributes:
        offered: Requests a second.
        rate: Answers with success a second.
        p50_ms: Of those, from the moment each request was due.
        p99_ms: Likewise.
        most_ms: The slowest of those.
        expired: Requests that were let in and not answered in time.
        refused: Requests that were not let in.
        refusal_ms: Median time of a refusal; 0 if there was none.
        late_ms: Median time that requests were begun after they were due.
    """

    offered: float
    rate: float
    p50_ms: float
    p99_ms: float
    most_ms: float
    expired: int
    refused: int
    refusal_ms: float
    late_ms: float


def run_open_loop(
    server: Server, rate: float, seconds: float, cores: frozenset[int]
) -> OpenLoopResult:
    """Return what comes of so many requests a second.

    Args:
        server: Is sent its request.
        rate: Requests a second.
        seconds: That count; as many come for a second before.
        cores: That the clients are kept to.

    Raises:
        LoadError: Requests were lost, or answered with something else.
    """
    whole = WARM_UP_S + seconds
    with pin_to(cores):
        done = subprocess.run(  # noqa: S603  our own arguments
            [
                sys.executable,
                "-m",
                "benchmarks.load.arrivals",
                str(server.port),
                str(rate),
                str(whole),
            ],
            input=server.request.to_message(server.port),
            check=False,
            capture_output=True,
        )
    if done.returncode:
        raise LoadError(f"the load failed: {done.stderr.decode(errors='replace')}")
    told = json.loads(done.stdout)
    answers = {status: np.array(each) for status, each in told["answers"].items()}
    if told["lost"] or not answers.keys() <= {SUCCESS, EXPIRED, REFUSED} or SUCCESS not in answers:
        counts = {status: len(each) for status, each in answers.items()}
        raise LoadError(f"of the requests {told['lost']} were lost; by status: {counts}")
    return summarise_answers(answers, rate, whole, float(np.median(told["late_ms"])))


def summarise_answers(
    answers: Mapping[str, NDArray[np.float64]], offered: float, until: float, late_ms: float
) -> OpenLoopResult:
    """Return what came of a constant rate, the warm-up left out.

    Args:
        answers: By status, (N, 2): when due, s, and how long it took, ms.
        offered: Requests a second.
        until: When the last request was due, s.
        late_ms: See ``OpenLoopResult``.
    """
    due, ms = answers[SUCCESS].T  # (N,), (N,)
    done = due + ms / 1000  # (N,)
    # What is answered after the last request came had the server to itself.
    rate = np.count_nonzero((done >= WARM_UP_S) & (done < until)) / (until - WARM_UP_S)
    counted = ms[due >= WARM_UP_S]  # (N',)
    refusals = answers.get(REFUSED, np.empty((0, 2)))  # (R, 2)
    return OpenLoopResult(
        offered=offered,
        rate=float(rate),
        p50_ms=float(np.percentile(counted, 50)),
        p99_ms=float(np.percentile(counted, 99)),
        most_ms=float(counted.max()),
        expired=len(answers.get(EXPIRED, ())),
        refused=len(refusals),
        refusal_ms=float(np.median(refusals[:, 1])) if len(refusals) else 0.0,
        late_ms=late_ms,
    )
