"""A worker's side of the speed benchmark: it runs a task whenever a line asks for it.

A worker first writes a line that lists its tasks and the versions of what it measures. Then
each line on standard input, ``{"task", "item", "repeats"}`` with the place of a task in that
list, is answered by one line, ``{"runs"}``. It ends when standard input does.

Workers have environments of their own, so that nothing but the standard library is needed
here.
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
"""What is told of one run, besides its times, as JSON takes it."""


def describe_nothing(_: object) -> Facts:
    """Return no facts, whatever the result."""
    return {}


@dataclass(frozen=True, slots=True)
class Task(Generic[T]):
    """One way to do what others do too.

    Attributes:
        contest: What is done; all tasks of one contest take turns.
        who: Does it this way.
        run: What is timed; it is given the place of the item it is done to.
        describe: What else is told of a result; not timed.
    """

    contest: str
    who: str
    run: Callable[[int], T]
    describe: Callable[[T], Facts] = describe_nothing


def serve_tasks(tasks: Sequence[Task[Any]], packages: Sequence[str]) -> None:
    """Run tasks until standard input ends; the versions of the packages are reported."""
    # What a library prints goes to standard error, and only answers to the benchmark.
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
    """Return what one run of a task took, ms, and what it tells of its result.

    By the clock on the wall and by the processor's own, which does not count what other
    processes did in between.
    """
    processor_started, wall_started = time.process_time(), time.perf_counter()
    result = task.run(item)
    wall, processor = time.perf_counter() - wall_started, time.process_time() - processor_started
    return {"wall": 1000 * wall, "processor": 1000 * processor, **task.describe(result)}
