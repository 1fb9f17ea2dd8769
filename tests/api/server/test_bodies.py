import asyncio
from contextlib import ExitStack

import pytest

from phiz.api.server.bodies import PROGRESS_BYTES, STALE_S, BodyPlaces, BodyReservation
from phiz.errors import BodyTimeoutError, OverloadedError


async def receive(body: BodyReservation) -> None:
    """Wait for a body that never ends."""
    try:
        async with asyncio.timeout(None) as timeout:
            body.start_timeout(timeout, 100)
            await asyncio.Event().wait()
    except TimeoutError:
        raise body.build_timeout_error() from None
    finally:
        body.finish_receiving()


def enter(
    stack: ExitStack, places: BodyPlaces, host: str
) -> tuple[BodyReservation, asyncio.Task[None]]:
    body = stack.enter_context(places.reserve(host))
    return body, asyncio.create_task(receive(body))


async def end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_slowest_body_gives_its_place_up() -> None:
    async def fill() -> None:
        places = BodyPlaces(3, 10_000)
        with ExitStack() as stack:
            bodies, tasks = zip(*(enter(stack, places, "10.0.0.1") for _ in range(3)), strict=True)
            await asyncio.sleep(STALE_S + 0.05)
            bodies[0].add_bytes(PROGRESS_BYTES)
            bodies[1].add_bytes(PROGRESS_BYTES - 1)  # no progress
            _, newcomer = enter(stack, places, "10.0.0.1")
            assert places.arriving_bodies == 3
            with pytest.raises(BodyTimeoutError, match="the limit of 3 bodies, and this one was"):
                await tasks[1]
            assert places.held_bytes == PROGRESS_BYTES
            await end(tasks[0], tasks[2], newcomer)
        assert (places.arriving_bodies, places.held_bytes) == (0, 0)

    asyncio.run(fill())


def test_bodies_that_make_progress_keep_their_places_before_others_of_their_address() -> None:
    async def fill() -> None:
        places = BodyPlaces(2, 10_000)
        with ExitStack() as stack:
            tasks = [enter(stack, places, "10.0.0.1")[1] for _ in range(2)]
            await asyncio.sleep(0)
            with pytest.raises(OverloadedError, match="receives the limit of 2 bodies"):
                enter(stack, places, "10.0.0.1")
            _, other = enter(stack, places, "10.0.0.2")
            with pytest.raises(BodyTimeoutError):
                await tasks[0]
            await end(tasks[1], other)

    asyncio.run(fill())


def test_bytes_of_bodies_without_progress_are_given_up() -> None:
    async def fill() -> None:
        places = BodyPlaces(10, 8000)
        with ExitStack() as stack:
            body, task = enter(stack, places, "10.0.0.1")
            body.add_bytes(7000)
            await asyncio.sleep(0)
            other = stack.enter_context(places.reserve("10.0.0.2"))
            with pytest.raises(OverloadedError, match="7000 from others"):
                other.add_bytes(2000)
            await asyncio.sleep(STALE_S + 0.05)
            other.add_bytes(2000)
            assert places.held_bytes == 2000
            with pytest.raises(BodyTimeoutError, match="limit of 8000 bytes"):
                await task

    asyncio.run(fill())
