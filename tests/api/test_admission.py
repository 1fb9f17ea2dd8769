import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import httpx
import pytest

from phiz.api.admission import ARRIVING_PER_PLACE, QUEUE_PER_THREAD, Admission
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
    ("waiting", "admitted", "message"),
    [
        pytest.param(0, 24, "24 bodies are being received already", id="none-waits"),
        pytest.param(2, 24, "24 bodies are being received already", id="two-wait"),
        pytest.param(3, 0, "3 detections wait already", id="full"),
        pytest.param(4, 0, "3 detections wait already", id="over"),
    ],
)
def test_those_whose_body_comes_and_those_who_wait_are_limited_apart(
    waiting: int, admitted: int, message: str
) -> None:
    admission = Admission(3, lambda: waiting)
    with ExitStack() as stack:
        for _ in range(admitted):
            stack.enter_context(admission.arriving())
        with pytest.raises(OverloadedError, match=message):
            stack.enter_context(admission.arriving())


@pytest.mark.parametrize(("waiting", "refused"), [(2, False), (3, True), (4, True)])
def test_a_queue_that_filled_while_a_body_came_takes_no_more(
    *, waiting: int, refused: bool
) -> None:
    waits = iter([0, waiting])
    admission = Admission(3, lambda: next(waits))
    told = ""
    try:
        with admission.arriving():
            pass
    except OverloadedError as error:
        told = str(error)
    assert told.startswith("3 detections wait already") == refused


def test_a_place_is_free_again_however_it_was_left() -> None:
    admission = Admission(1, lambda: 0)
    for _ in range(ARRIVING_PER_PLACE):
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


def test_bodies_that_come_slowly_keep_nobody_out_up_to_a_limit(
    full: Client, held: Held, png: bytes
) -> None:
    held.end.set()
    most = 2 * ARRIVING_PER_PLACE

    async def ask() -> tuple[list[int], list[httpx.Response], list[int]]:
        reading, finish = asyncio.Semaphore(0), asyncio.Semaphore(0)

        async def slowly() -> AsyncIterator[bytes]:
            yield png[:10]
            reading.release()
            await finish.acquire()
            yield png[10:]

        async def begin(count: int) -> list[asyncio.Task[httpx.Response]]:
            slow = [
                asyncio.create_task(full.http.post("/detect", content=slowly(), headers=PNG))
                for _ in range(count)
            ]
            for _ in slow:
                await reading.acquire()
            return slow

        async def post() -> httpx.Response:
            return await full.http.post("/detect", content=png, headers=PNG)

        slow = await begin(most - 1)
        good = [(await post()).status_code for _ in range(3)]
        slow += await begin(1)
        refused = await post()
        ended = []
        for one in slow:
            finish.release()
            ended.append((await one).status_code)
        return good, [refused, await post()], ended

    good, (refused, last), slow = full.runner.run(asyncio.wait_for(ask(), PATIENCE_S))
    assert good == [200] * 3
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.json()["detail"].startswith("16 bodies are being received already")
    assert last.status_code == 200
    assert slow == [200] * most


def test_a_body_may_take_only_so_long(held: Held, png: bytes) -> None:
    held.end.set()
    loaded = Loaded(Engine({"auto": held}, LIMITS), ())
    with started(create_app(lambda: loaded, threads=1, body_timeout_s=0.01)) as client:
        left = asyncio.Event()

        async def trickle() -> AsyncIterator[bytes]:
            yield png[:10]
            await left.wait()

        request = client.http.post("/detect", content=trickle(), headers=PNG)
        response = client.runner.run(asyncio.wait_for(request, PATIENCE_S))
        metrics = client.ask("GET", "/metrics").text
    assert (response.status_code, response.json()["code"]) == (408, "body_too_slow")
    assert response.json()["detail"].startswith("the body was not complete after 0.01 s")
    assert response.headers["connection"] == "close"
    assert 'phiz_rejected_total{reason="body_too_slow"} 1.0' in metrics


def test_by_default_sixteen_may_wait_for_each_thread(held: Held) -> None:
    assert QUEUE_PER_THREAD == 16
    held.end.set()
    app = create_app(lambda: Loaded(Engine({"auto": held}, LIMITS), ()), threads=2)
    with started(app), ExitStack() as stack:
        for _ in range(8 * 32):
            stack.enter_context(app.state.service.admission.arriving())
        with pytest.raises(OverloadedError, match="256 bodies"):
            stack.enter_context(app.state.service.admission.arriving())
