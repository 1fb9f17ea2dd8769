"""Closed loop: clients that each send again as soon as they are answered.

::

    python -m benchmarks.load.closed_loop PORT CLIENTS SECONDS WARM_UP_S PROCESSES < MESSAGE

It is a process on a core of its own. ``PROCESSES`` are those of the server, with commas; the first
has begun the others. When the time is over, it waits for the last answers, so that the processor
time of the server is that of whole requests: a load that ends in the middle of some charges the
server for up to one more a client, and a slow server the most. Prints ``LoopFigures`` as JSON.
"""

import json
import sys
from contextlib import closing
from dataclasses import asdict, dataclass

import numpy as np

from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.instructions import count_instructions
from benchmarks.load.arrivals import Clients
from phiz.system.procfs import read_processor_seconds

SUCCESS = 200


@dataclass(frozen=True, slots=True)
class LoopFigures:
    """The answers of a closed loop, and the work of the server for them.

    ``elapsed_s`` ends with the last answer. ``processor_s`` and ``instructions`` are of the first
    process, and of all others together; None is what the machine does not count.
    """

    answers: int
    elapsed_s: float
    p50_ms: float
    p99_ms: float
    processor_s: tuple[float, float]
    instructions: tuple[int | None, ...]


def run_clients(
    port: int, message: bytes, count: int, seconds: float, processes: list[int]
) -> LoopFigures:
    """Return the figures of so many clients.

    Raises:
        BenchmarkError: A request was not answered with success.
    """
    first, others = processes[:1], processes[1:]
    with count_instructions(first, others) as finish, closing(Clients(port, message)) as clients:
        before = [sum_processor_s(group) for group in (first, others)]
        clients.send_until_answered(count, seconds)
        after = [sum_processor_s(group) for group in (first, others)]
        instructions = finish()
    arrivals = clients.arrivals
    if arrivals.lost or arrivals.answers.keys() != {SUCCESS}:
        counts = {status: len(each) for status, each in arrivals.answers.items()}
        raise BenchmarkError(f"of the requests {arrivals.lost} were lost; by status: {counts}")
    answers = arrivals.answers[SUCCESS]
    p50_ms, p99_ms = np.percentile([ms for _, ms in answers], [50, 99])
    return LoopFigures(
        answers=len(answers),
        elapsed_s=max(due_s + ms / 1000 for due_s, ms in answers),
        p50_ms=float(p50_ms),
        p99_ms=float(p99_ms),
        processor_s=(after[0] - before[0], after[1] - before[1]),
        instructions=tuple(instructions),
    )


def sum_processor_s(processes: list[int]) -> float:
    """Return the processor time of processes so far, by the system's own accounting."""
    return sum(read_processor_seconds(process) or 0.0 for process in processes)


if __name__ == "__main__":
    port, count, seconds, warm_up_s, pids = sys.argv[1:]
    message, processes = sys.stdin.buffer.read(), [int(pid) for pid in pids.split(",")]
    try:
        if float(warm_up_s):
            run_clients(int(port), message, int(count), float(warm_up_s), [])
        figures = run_clients(int(port), message, int(count), float(seconds), processes)
    except (BenchmarkError, OSError) as error:
        sys.exit(str(error))
    print(json.dumps(asdict(figures)))
