import asyncio
from collections.abc import Callable, Iterator

import pytest

from phiz.workers.background import BackgroundQueue
from phiz.workers.handle import TaskOwner, WorkTask
from phiz.workers.latency import Workload
from phiz.workers.protocol import WorkRequest

Queueing = Callable[..., WorkTask]


@pytest.fixture
def queue() -> BackgroundQueue:
    return BackgroundQueue()


@pytest.fixture
def put(queue: BackgroundQueue) -> Iterator[Queueing]:
    loop = asyncio.new_event_loop()

    def put(expected_s: float, client: str = "") -> WorkTask:
        request = WorkRequest(1, "detect", ())
        owner = TaskOwner(client, "1")
        task = WorkTask(request, b"", Workload(""), expected_s, loop.create_future(), owner)
        queue.add(task)
        return task

    yield put
    loop.close()


def take(queue: BackgroundQueue) -> WorkTask | None:
    task = queue.peek()
    if task is not None:
        queue.pop(task)
    return task


def test_tasks_of_a_client_keep_their_order(queue: BackgroundQueue, put: Queueing) -> None:
    tasks = [put(0.1, "a") for _ in range(3)]
    assert len(queue) == 3
    assert [take(queue) for _ in range(4)] == [*tasks, None]
    assert len(queue) == 0


def test_clients_get_the_same_time(queue: BackgroundQueue, put: Queueing) -> None:
    put(0.1, "slow")
    put(0.01, "quick")
    served = {"slow": 0, "quick": 0}
    for _ in range(220):
        task = take(queue)
        assert task is not None
        served[task.owner.client] += 1
        put(task.expected_s, task.owner.client)
    assert served["slow"] == pytest.approx(20, abs=1)


def test_client_with_several_tasks_gets_no_more_than_others(
    queue: BackgroundQueue, put: Queueing
) -> None:
    many = [put(0.1, "many") for _ in range(3)]
    one = put(0.1, "one")
    assert [take(queue) for _ in range(4)] == [many[0], one, *many[1:]]


def test_removed_task_is_not_taken(queue: BackgroundQueue, put: Queueing) -> None:
    first, second = put(0.1), put(0.1)
    assert first in queue
    queue.remove(first)
    assert first not in queue
    assert take(queue) is second
