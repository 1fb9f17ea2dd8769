import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx
import pytest

from phiz.api.admission import QUEUE_PER_THREAD, Admission
from phiz.api.app import create_app
from phiz.api.service import Loaded
from phiz.engine import Engine
from phiz.errors import OverloadedError
from phiz.faces import Detections, DetectOptions
from phiz.picture import Picture
from phiz.timings import Stopwatch

from .client import LIMITS, Client, started

PATIENCE_S = 10
PNG = {"content-type": "image/png"}


@pytest.mark.parametrize(
    ("limit", "waiting", "admitted"),
    [
        pytest.param(3, 0, 3, id="none-waits"),
        pytest.param(3, 2, 1, id="two-wait"),
        pytest.param(3, 3, 0, id="full"),
        pytest.param(3, 4, 0, id="over"),
    ],
)
def test_those_whose_body_comes_and_those_who_wait_are_limited_together(
    limit: int, waiting: int, admitted: int
) -> None:
    admission = Admission(limit, lambda: waiting)
    with ExitStack() as stack:
        for _ in range(admitted):
            stack.enter_context(admission.arriving())
        with pytest.raises(OverloadedError, match="3 detections wait already"):
            stack.enter_context(admission.arriving())


def test_a_place_is_free_again_however_it_was_left() -> None:
    admission = Admission(1, lambda: 0)
    with pytest.raises(ZeroDivisionError), admission.arriving():
        raise ZeroDivisionError
    with admission.arriving():
        pass
    with admission.arriving():
        pass


class Held:
    """A detector that works until it is told to end; the warm-up it lets pass."""

    def __init__(self) -> None:
        self.calls = -1
        self.begun = threading.Semaphore(0)
        self.end = threading.Event()

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del picture, options, stopwatch
        self.calls += 1
        if self.calls:
            self.begun.release()
            assert self.end.wait(PATIENCE_S)
        return Detections(())


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def full(held: Held) -> Iterator[Client]:
    """A service of one thread in which two may wait."""
    app = create_app(lambda: Loaded(Engine({"auto": held}, LIMITS), ()), threads=1, queue=2)
    with started(app) as client:
        yield client
        held.end.set()


async def until_waiting(client: Client, count: int) -> None:
    while True:
        if client.app.state.service.pool.waiting == count:
            return
        await asyncio.sleep(0.001)


def test_beyond_the_limit_it_is_told_before_the_body_is_read(
    full: Client, held: Held, png: bytes
) -> None:
    async def untouched() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    async def ask() -> tuple[httpx.Response, str, list[int]]:
        def post(content: bytes | AsyncIterator[bytes]) -> asyncio.Task[httpx.Response]:
            return asyncio.create_task(full.http.post("/detect", content=content, headers=PNG))

        first = post(png)
        assert await asyncio.to_thread(held.begun.acquire, timeout=PATIENCE_S)
        waiting = [post(png), post(png)]
        await until_waiting(full, 2)
        refused = await post(untouched())
        metrics = (await full.http.get("/metrics")).text
        held.end.set()
        answers = await asyncio.gather(first, *waiting)
        return refused, metrics, [answer.status_code for answer in answers]

    refused, metrics, others = full.runner.run(asyncio.wait_for(ask(), PATIENCE_S))
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["detail"].startswith("2 detections wait already")
    assert 'phiz_rejected_total{reason="overloaded"} 1.0' in metrics
    assert 'phiz_request_seconds_count{model="auto",outcome="overloaded"} 1.0' in metrics
    assert others == [200, 200, 200]


def test_bodies_that_are_still_coming_count(full: Client, held: Held, png: bytes) -> None:
    held.end.set()

    async def ask() -> list[int]:
        reading, finish = asyncio.Semaphore(0), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield png[:10]
            reading.release()
            await finish.wait()
            yield png[10:]

        slow = [
            asyncio.create_task(full.http.post("/detect", content=slowly(), headers=PNG))
            for _ in range(2)
        ]
        for _ in slow:
            await reading.acquire()
        refused = await full.http.post("/detect", content=png, headers=PNG)
        finish.set()
        answers = await asyncio.gather(*slow)
        last = await full.http.post("/detect", content=png, headers=PNG)
        return [answer.status_code for answer in (refused, *answers, last)]

    assert full.runner.run(asyncio.wait_for(ask(), PATIENCE_S)) == [503, 200, 200, 200]


def test_by_default_sixteen_may_wait_for_each_thread(held: Held) -> None:
    assert QUEUE_PER_THREAD == 16
    held.end.set()
    app = create_app(lambda: Loaded(Engine({"auto": held}, LIMITS), ()), threads=2)
    with started(app), ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(app.state.service.admission.arriving())
        with pytest.raises(OverloadedError, match="32 detections"):
            stack.enter_context(app.state.service.admission.arriving())
