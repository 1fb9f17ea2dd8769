"""Calls of several at once, with their results in the order of their items."""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from numbers import Integral
from typing import Final, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

# Calls that have begun or wait, per concurrent one: others go on while the first one is slow.
AHEAD: Final = 2


def check_concurrency(concurrency: int) -> None:
    """Return if so many calls can run at once.

    Raises:
        ValueError: None could, or it is no number of calls.
    """
    is_whole = isinstance(concurrency, Integral) and not isinstance(concurrency, bool)
    if not is_whole or concurrency < 1:
        raise ValueError(
            f"concurrency is {concurrency!r}; it must be a whole number of at least 1: the number"
            " of requests at once, such as 8"
        )


def map_in_threads(
    function: Callable[[ItemT], ResultT], items: Iterable[ItemT], concurrency: int
) -> Iterator[ResultT]:
    """Yield the result of each item, in their order. Few items are read ahead.

    Raises:
        Exception: As the function, when it is the item's turn; calls that have not begun are
            dropped.
    """
    pool = ThreadPoolExecutor(concurrency, thread_name_prefix="phiz")
    pending: deque[Future[ResultT]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            while pending and (pending[0].done() or len(pending) >= AHEAD * concurrency):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


async def map_in_tasks(
    function: Callable[[ItemT], Awaitable[ResultT]],
    items: Iterable[ItemT] | AsyncIterable[ItemT],
    concurrency: int,
) -> AsyncIterator[ResultT]:
    """Yield the result of each item, in their order, as ``map_in_threads``."""
    places = asyncio.Semaphore(concurrency)

    async def run(item: ItemT) -> ResultT:
        async with places:
            return await function(item)

    pending: deque[asyncio.Task[ResultT]] = deque()
    try:
        async for item in _iterate(items):
            pending.append(asyncio.create_task(run(item)))
            while pending and (pending[0].done() or len(pending) >= AHEAD * concurrency):
                yield await pending.popleft()
        while pending:
            yield await pending.popleft()
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _iterate(items: Iterable[ItemT] | AsyncIterable[ItemT]) -> AsyncIterator[ItemT]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
