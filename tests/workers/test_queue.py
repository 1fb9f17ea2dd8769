import asyncio
from collections.abc import Callable, Iterator

import pytest

from phiz.workers.handle import TaskOwner, WorkTask
from phiz.workers.latency import Workload
from phiz.workers.protocol import WorkRequest
from phiz.workers.queue import TaskQueue, find_lane

Queueing = Callable[..., WorkTask]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def queue() -> TaskQueue:
    return TaskQueue()


@pytest.fixture
def put(loop: asyncio.AbstractEventLoop, queue: TaskQueue) -> Queueing:
    """Queue a task of a client, a request and an expected time."""
    numbers = iter(range(1, 10_000))

    def put(expected_s: float, client: str = "", request: str | None = None) -> WorkTask:
        number = next(numbers)
        task = WorkTask(
            WorkRequest(number, "detect", ()),
            b"",
            Workload("back"),
            expected_s,
            loop.create_future(),
            TaskOwner(client, str(number) if request is None else request),
            find_lane(expected_s),
        )
        queue.add(task)
        return task

    return put


def pop_all(queue: TaskQueue, most: int = 1000) -> list[WorkTask]:
    tasks: list[WorkTask] = []
    while len(tasks) < most and (task := queue.peek()) is not None:
        queue.pop(task)
        tasks.append(task)
    return tasks


def clients_of(tasks: list[WorkTask]) -> str:
    return "".join(task.owner.client for task in tasks)


def test_equal_tasks_leave_in_the_order_in_which_they_came(queue: TaskQueue, put: Queueing) -> None:
    tasks = [put(0.1) for _ in range(30)]
    assert queue.length == 30
    assert queue.backlog_s == pytest.approx(3)
    assert queue.peek() is tasks[0]
    assert pop_all(queue) == tasks
    assert (queue.length, queue.backlog_s, queue.peek()) == (0, 0, None)


def test_shorter_task_of_a_client_overtakes_its_longer_ones(
    queue: TaskQueue, put: Queueing
) -> None:
    for seconds in (0.4, 0.4, 0.01, 0.1):
        put(seconds, "a")
    put(0.2, "b")
    assert [task.expected_s for task in pop_all(queue)] == [0.01, 0.1, 0.2, 0.4, 0.4]


def test_longer_task_is_not_overtaken_forever(queue: TaskQueue, put: Queueing) -> None:
    longer = put(0.4, "a")
    before = 0
    while True:
        put(0.1, "a")
        put(0.1, "a")
        (task,) = pop_all(queue, 1)
        if task is longer:
            break
        before += 1
    # By then five tasks that came later wait for each that was served in turn.
    assert 3 <= before <= 30


@pytest.mark.parametrize("index", [0, 1, 2])
def test_discarded_task_counts_no_more(queue: TaskQueue, put: Queueing, index: int) -> None:
    tasks = [put(0.1) for _ in range(3)]
    dropped = tasks.pop(index)
    dropped.complete()
    queue.discard(dropped)
    assert queue.length == 2
    assert queue.backlog_s == pytest.approx(0.2)
    assert pop_all(queue) == tasks
    assert (queue.length, queue.backlog_s) == (0, 0)


def test_requeued_task_is_the_next(queue: TaskQueue, put: Queueing) -> None:
    tasks = [put(0.1), put(9), put(0.1)]
    popped = pop_all(queue)
    for task in reversed(popped):
        queue.requeue(task)
    assert queue.length == 3
    assert queue.peek(may_be_long=False) is popped[0]
    assert pop_all(queue) == popped
    assert sorted(popped, key=tasks.index) == tasks
    assert (queue.length, queue.backlog_s) == (0, 0)


def test_complete_task_is_not_requeued(queue: TaskQueue, put: Queueing) -> None:
    (first, second) = put(0.1), put(0.1)
    queue.pop(first)
    first.complete()
    queue.requeue(first)
    assert pop_all(queue) == [second]


def test_requeued_task_that_is_discarded_is_passed_over(queue: TaskQueue, put: Queueing) -> None:
    first, second = put(0.1), put(0.1)
    queue.pop(first)
    queue.requeue(first)
    first.complete()
    queue.discard(first)
    assert pop_all(queue) == [second]
    assert (queue.length, queue.backlog_s) == (0, 0)


def test_requeued_task_is_not_in_the_backlog_of_its_client(queue: TaskQueue, put: Queueing) -> None:
    returned = put(5, "a")
    queue.pop(returned)
    queue.requeue(returned)
    put(1, "a")
    put(1, "a")
    assert pop_all(queue, 1) == [returned]
    assert queue.estimate_ahead_s("a", 1) == pytest.approx(2)


@pytest.mark.parametrize("request_id", ["batch", None])
def test_cancelled_task_does_not_lend_its_price_to_the_next(
    queue: TaskQueue, put: Queueing, request_id: str | None
) -> None:
    for _ in range(6):
        put(1, "b")
    served = []
    for _ in range(6):
        cheap = put(0.3, "a", request_id)
        put(3, "a", request_id)
        cheap.complete()
        queue.discard(cheap)
        served += pop_all(queue, 1)
    assert clients_of(served).count("a") <= 2


def test_task_behind_a_cancelled_one_does_not_wait_for_its_price(
    queue: TaskQueue, put: Queueing
) -> None:
    costly, cheap = put(9, "a", "batch"), put(0.3, "a", "batch")
    put(1, "b")
    costly.complete()
    queue.discard(costly)
    assert queue.peek() is cheap


def test_clients_take_turns_however_much_one_has_queued(queue: TaskQueue, put: Queueing) -> None:
    for _ in range(6):
        put(0.1, "a")
    for _ in range(2):
        put(0.1, "b")
    assert clients_of(pop_all(queue)) == "ababaaaa"


def test_client_with_shorter_tasks_gets_more_of_them_done(queue: TaskQueue, put: Queueing) -> None:
    for _ in range(8):
        put(0.2, "a")
        put(0.05, "b")
    served = pop_all(queue, 10)
    assert clients_of(served).count("b") == 8  # 0.4 s in all
    assert clients_of(served).count("a") == 2  # and 0.4 s of these


def test_client_that_comes_later_has_no_arrears(queue: TaskQueue, put: Queueing) -> None:
    for _ in range(20):
        put(0.1, "a")
    pop_all(queue, 10)
    for _ in range(4):
        put(0.1, "b")
    assert clients_of(pop_all(queue, 8)) in {"abababab", "babababa"}


def test_single_requests_of_a_client_go_between_the_images_of_a_batch(
    queue: TaskQueue, put: Queueing
) -> None:
    batch = [put(0.1, "a", "batch") for _ in range(16)]
    singles = [put(0.1, "a") for _ in range(3)]
    assert pop_all(queue, 5) == [batch[0], *singles, batch[1]]


def test_batch_is_served_though_single_requests_keep_coming(
    queue: TaskQueue, put: Queueing
) -> None:
    batch = [put(0.1, "a", "batch") for _ in range(16)]
    served = []
    for _ in range(30):
        put(0.1, "a")
        put(0.1, "a")
        served += pop_all(queue, 1)
    assert 2 <= sum(task in batch for task in served) < 10


def test_short_tasks_overtake_long_ones(queue: TaskQueue, put: Queueing) -> None:
    long = [put(3, "a") for _ in range(2)]
    short = [put(0.1, "a") for _ in range(3)]
    assert pop_all(queue) == [*short, *long]


def test_long_task_is_served_after_as_much_short_work(queue: TaskQueue, put: Queueing) -> None:
    long = put(3, "a")
    before = 0
    while True:
        put(0.1, "b")
        (task,) = pop_all(queue, 1)
        if task is long:
            break
        before += 1
    assert 25 <= before <= 35


def test_long_tasks_wait_while_none_may_begin(queue: TaskQueue, put: Queueing) -> None:
    long = put(3)
    assert queue.peek(may_be_long=False) is None
    short = put(0.1)
    assert queue.peek(may_be_long=False) is short
    assert (queue.length, queue.long_length) == (2, 1)
    queue.pop(short)
    assert queue.peek() is long


def test_new_client_has_little_ahead_of_it(queue: TaskQueue, put: Queueing) -> None:
    for _ in range(100):
        put(0.1, "a")
    assert queue.estimate_ahead_s("a", 0.1) == pytest.approx(10)
    assert queue.estimate_ahead_s("a", 0.06) == pytest.approx(6)
    assert queue.estimate_ahead_s("b", 0.1) == pytest.approx(0.1)
    for _ in range(10):
        put(0.1, "b")
    assert queue.estimate_ahead_s("b", 0.1) == pytest.approx(2.1)


def test_long_work_is_not_ahead_of_a_new_short_task(queue: TaskQueue, put: Queueing) -> None:
    for _ in range(10):
        put(3, "a")
    assert queue.estimate_ahead_s("b", 0.1) == 0
    assert queue.estimate_ahead_s("b", 3) == pytest.approx(3)


def test_backlog_of_an_empty_queue_is_exactly_zero(queue: TaskQueue, put: Queueing) -> None:
    for expected_s in (0.1, 0.2, 0.3):
        put(expected_s)
    pop_all(queue)
    assert queue.backlog_s == 0


def test_thousands_of_tasks_of_many_clients_all_leave(queue: TaskQueue, put: Queueing) -> None:
    tasks = [put(0.001 * (number % 7), f"{number % 100}") for number in range(5000)]
    assert len(pop_all(queue, 5000)) == len(tasks)
    assert (queue.length, queue.backlog_s) == (0, 0)


def test_task_moves_to_the_lane_of_its_new_price(queue: TaskQueue, put: Queueing) -> None:
    first, second = put(0.1, "a"), put(0.1, "b")
    assert queue.reprice(first, 0.2) is False
    assert queue.reprice(first, 3) is True
    assert (queue.length, queue.long_length) == (2, 1)
    assert queue.backlog_s == pytest.approx(3.1)
    assert queue.peek(may_be_long=False) is second
    assert pop_all(queue) == [second, first]
    assert (queue.length, queue.backlog_s) == (0, 0)


def test_many_tasks_that_are_due_at_once_leave_time_for_shorter_ones(
    queue: TaskQueue, put: Queueing
) -> None:
    for _ in range(8):
        put(0.2, "a")
    served = []
    for _ in range(60):
        put(0.01, "a")
        served += pop_all(queue, 1)
    assert 1 <= sum(task.expected_s == 0.2 for task in served) <= 4  # half of the time
