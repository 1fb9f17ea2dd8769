"""A worker's side of the benchmarks: it runs a task for each line of its input.

A worker first writes a line with its tasks and the versions of what it measures. It answers each
line on standard input, ``{"task", "item", "repeats"}`` with the place of a task in that list, by
one line, ``{"runs"}``. It ends when standard input does.

Workers have environments of their own, so that this module needs the standard library alone.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Generic, TypeAlias, TypeVar

T = TypeVar("T")

Facts: TypeAlias = Mapping[str, Any]
"""Facts of one run, besides its times, as JSON takes them."""


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """A participant of a contest; all tasks of one contest take turns.

    ``run`` is timed, for the place of an item. ``describe`` gives the facts of a result.
    """

    contest: str
    who: str
    run: Callable[[int], T]
    describe: Callable[[T], Facts] = lambda _: {}


def serve_tasks(tasks: Sequence[Task[Any]], packages: Sequence[str]) -> None:
    """Run tasks until standard input ends; the versions of the packages are reported."""
    # Output of libraries goes to standard error, so that the benchmark gets answers alone.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def answer(document: Facts) -> None:
            answers.write(json.dumps(document) + "\n")
            answers.flush()

        answer(
            {
                "tasks": [[task.contest, task.who] for task in tasks],
                "versions": {package: version(package) for package in packages},
            }
        )
        for line in sys.stdin:
            request = json.loads(line)
            task, item = tasks[request["task"]], request["item"]
            answer({"runs": [run_task(task, item) for _ in range(request["repeats"])]})


def run_task(task: Task[T], item: int) -> dict[str, Any]:
    """Return the times of one run of a task, ms, and the facts of its result.

    Times are by the wall's clock and by the processor's, which leaves other processes out.
    """
    processor_started, wall_started = time.process_time(), time.perf_counter()
    result = task.run(item)
    wall, processor = time.perf_counter() - wall_started, time.process_time() - processor_started
    return {"wall": 1000 * wall, "processor": 1000 * processor, **task.describe(result)}
