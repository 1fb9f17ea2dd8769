"""Instructions of running processes, counted by ``perf`` where the machine lets it.

A virtual machine often has no counter. There, or without perf, nothing is counted.
"""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import Final

COMMAND: Final = ("perf", "stat", "--field-separator", ",", "--event", "instructions")
SETTLE_S: Final = 0.1  # until perf has attached itself


@cache
def can_count() -> bool:
    """Return whether instructions can be counted here."""
    if shutil.which(COMMAND[0]) is None:
        return False
    done = subprocess.run([*COMMAND, "true"], check=False, capture_output=True, text=True)  # noqa: S603  our own
    return parse_count(done.stderr) is not None


def parse_count(output: str) -> int | None:
    """Return the number of instructions in what perf writes, or None if it has none."""
    counts = [line.split(",")[0] for line in output.splitlines() if ",instructions" in line]
    return sum(map(int, counts)) if counts and all(each.isdigit() for each in counts) else None


@contextmanager
def count_instructions(*groups: Sequence[int]) -> Iterator[Callable[[], list[int | None]]]:
    """Give a function that ends the count, and returns it for each group of processes."""
    with ExitStack() as ends:
        counters = [_start(group) if group and can_count() else None for group in groups]
        for counter in filter(None, counters):
            ends.callback(counter.kill)
            time.sleep(SETTLE_S)
        yield lambda: [_finish(counter) if counter else None for counter in counters]


def _start(group: Sequence[int]) -> subprocess.Popen[str]:
    command = [*COMMAND, "--pid", ",".join(map(str, group))]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)  # noqa: S603  our own


def _finish(counter: subprocess.Popen[str]) -> int | None:
    counter.send_signal(signal.SIGINT)  # perf writes its counts then
    return parse_count(counter.communicate()[1])
