import asyncio
from collections.abc import Iterator

import pytest

from phiz.workers.handle import WorkTask
from phiz.workers.protocol import WorkRequest
from phiz.workers.queue import TaskQueue


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def tasks(loop: asyncio.AbstractEventLoop) -> list[WorkTask]:
    """Three tasks that are expected to take 1, 2 and 3 s."""
    return [
        WorkTask(WorkRequest(number, "detect", ()), b"", "back", number, loop.create_future())
        for number in (1, 2, 3)
    ]


def queue_of(tasks: list[WorkTask]) -> TaskQueue:
    queue = TaskQueue()
    for task in tasks:
        queue.add(task)
    return queue


def pop_all(queue: TaskQueue) -> list[int]:
    numbers = []
    while queue.length:
        queue.peek()  # which passes over completed ones
        numbers.append(queue.pop().request.number)
    return numbers


def test_tasks_leave_in_the_order_in_which_they_came(tasks: list[WorkTask]) -> None:
    queue = queue_of(tasks)
    assert (queue.length, queue.backlog_s) == (3, 6)
    assert queue.peek() is tasks[0]
    assert pop_all(queue) == [1, 2, 3]
    assert (queue.length, queue.backlog_s) == (0, 0)


@pytest.mark.parametrize(("index", "left"), [(0, [2, 3]), (1, [1, 3]), (2, [1, 2])])
def test_discarded_task_counts_no_more(tasks: list[WorkTask], index: int, left: list[int]) -> None:
    queue = queue_of(tasks)
    tasks[index].complete()
    queue.discard(tasks[index])
    assert (queue.length, queue.backlog_s) == (2, sum(left))
    assert pop_all(queue) == left


def test_requeued_task_is_the_next(tasks: list[WorkTask]) -> None:
    queue = queue_of(tasks)
    queue.requeue(queue.pop())
    assert (queue.length, queue.backlog_s) == (3, 6)
    assert pop_all(queue) == [1, 2, 3]


def test_complete_task_is_not_requeued(tasks: list[WorkTask]) -> None:
    queue = queue_of(tasks)
    first = queue.pop()
    first.complete()
    queue.requeue(first)
    assert (queue.length, queue.backlog_s) == (2, 5)
    assert pop_all(queue) == [2, 3]


def test_backlog_of_an_empty_queue_is_exactly_zero(tasks: list[WorkTask]) -> None:
    for task, expected_s in zip(tasks, (0.1, 0.2, 0.3), strict=True):
        task.expected_s = expected_s
    queue = queue_of(tasks)
    pop_all(queue)
    assert queue.backlog_s == 0
