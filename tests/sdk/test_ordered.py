import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import numpy as np
import pytest

from phiz.sdk.ordered import AHEAD, check_concurrency, map_in_tasks, map_in_threads


@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True, None, "8"])
def test_a_concurrency_that_runs_nothing_is_told(concurrency: Any) -> None:
    words = re.escape(f"concurrency is {concurrency!r}; it must be a whole number of at least 1")
    with pytest.raises(ValueError, match=f"{words}: the number of requests at once, such as 8"):
        check_concurrency(concurrency)


def test_every_positive_concurrency_is_accepted() -> None:
    for concurrency in (1, 8, 1000, np.int64(2)):
        check_concurrency(concurrency)  # type: ignore[arg-type]  # numpy's are none for mypy


def test_results_of_threads_are_in_the_order_of_the_items() -> None:
    waits = np.random.default_rng(7).uniform(0, 0.005, 40)

    def wait(number: int) -> int:
        time.sleep(waits[number])
        return number

    assert list(map_in_threads(wait, range(40), 5)) == list(range(40))
    assert list(map_in_threads(wait, [], 5)) == []


@pytest.mark.anyio
async def test_results_of_tasks_are_in_the_order_of_the_items() -> None:
    waits = np.random.default_rng(7).uniform(0, 0.005, 40)

    async def wait(number: int) -> int:
        await asyncio.sleep(waits[number])
        return number

    async def count() -> AsyncIterator[int]:
        for number in range(40):
            await asyncio.sleep(0)
            yield number

    assert [number async for number in map_in_tasks(wait, range(40), 5)] == list(range(40))
    assert [number async for number in map_in_tasks(wait, count(), 5)] == list(range(40))
    assert [number async for number in map_in_tasks(wait, [], 5)] == []


def test_as_many_threads_as_asked_run_at_once_and_few_items_are_read_ahead() -> None:
    lock, together = threading.Lock(), threading.Barrier(3)
    active, most, read = 0, 0, 0

    def items() -> Iterator[int]:
        nonlocal read
        for number in range(30):
            read += 1
            yield number

    def run(number: int) -> int:
        nonlocal active, most
        with lock:
            active += 1
            most = max(most, active)
        together.wait()
        with lock:
            active -= 1
        return number

    for number, result in enumerate(map_in_threads(run, items(), 3)):
        assert result == number
        assert read <= number + 1 + AHEAD * 3
    assert (most, read) == (3, 30)


@pytest.mark.anyio
async def test_no_more_tasks_than_asked_run_at_once() -> None:
    active, most = 0, 0

    async def run(number: int) -> int:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await asyncio.sleep(0.001)
        active -= 1
        return number

    assert len([number async for number in map_in_tasks(run, range(30), 3)]) == 30
    assert most == 3


def test_first_result_does_not_wait_for_further_items() -> None:
    began = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        began.wait()  # so that the first one is done
        time.sleep(0.01)
        yield 2
        pytest.fail("the first result was ready")

    def run(number: int) -> int:
        began.set()
        return number

    assert next(map_in_threads(run, items(), 4)) == 1


def test_error_ends_the_results_and_what_has_not_begun() -> None:
    ran = []

    def run(number: int) -> int:
        ran.append(number)
        if number == 2:
            raise ValueError("two")
        time.sleep(0.005)
        return number

    results = map_in_threads(run, range(100), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert len(ran) < 10


@pytest.mark.anyio
async def test_tasks_end_when_nobody_asks_for_more() -> None:
    ended = []

    async def run(number: int) -> int:
        try:
            await asyncio.sleep(number)
        except asyncio.CancelledError:
            ended.append(number)
            raise
        return number

    results = map_in_tasks(run, [0, 100, 200, 300], 4)
    assert await anext(results) == 0
    await results.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert ended == [100, 200, 300]
