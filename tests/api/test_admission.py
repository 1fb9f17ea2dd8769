import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from phiz.api.admission import MAX_WAIT_SHARE, Admission
from phiz.api.service import RequestLimits, Service
from phiz.errors import ExcessiveWorkError, OverloadedError
from phiz.workers.latency import Forecast

from .client import Client, doubles, encoded, form, until
from .doubles import BEGUN, LARGE, MAY_END, PATIENCE_S, command

pytestmark = pytest.mark.integration

PNG = {"content-type": "image/png"}
REQUEST_LIMITS = RequestLimits(LARGE.max_bytes, max_images=4)
BODIES = 8


@dataclass
class Queue:
    """A queue that says what it is told to."""

    queue_depth: int = 0
    wait_s: float = 0.0

    def estimate_wait_s(self, client: str, expected_s: float) -> float:
        del client, expected_s
        return self.wait_s


@pytest.mark.parametrize("waiting", [3, 4])
def test_no_more_wait_than_may(waiting: int) -> None:
    with pytest.raises(OverloadedError, match="the limit of 3 detections") as caught:
        Admission(Queue(waiting, 2.5), 3, 1, BODIES).check(10)
    assert caught.value.retry_after_s == 3


@pytest.mark.parametrize("waiting", [0, 2])
def test_as_many_wait_as_may(waiting: int) -> None:
    Admission(Queue(waiting, 2.5), 3, 1, BODIES).check(10)


@pytest.mark.parametrize(("others", "admitted"), [(1, True), (2, False)])
def test_those_that_come_together_are_counted_together(others: int, *, admitted: bool) -> None:
    """One of them may be begun at once, and need not wait."""
    with (
        nullcontext()
        if admitted
        else pytest.raises(OverloadedError, match="the limit of 3 detections")
    ):
        Admission(Queue(1), 3, 1, BODIES).check(10, other_images=others)


@pytest.mark.parametrize(("others_s", "admitted"), [(1.0, True), (1.1, False)])
def test_those_that_come_together_wait_for_each_other(others_s: float, *, admitted: bool) -> None:
    with (
        nullcontext() if admitted else pytest.raises(OverloadedError, match="the expected wait is")
    ):
        Admission(Queue(1, 1.0), None, 1, BODIES).check(
            2.0 / MAX_WAIT_SHARE, other_images=2, other_images_s=others_s
        )


@pytest.mark.parametrize("wait_s", [0.0, 2.0])
def test_who_can_be_answered_in_time_is_admitted_however_many_wait(wait_s: float) -> None:
    Admission(Queue(1000, wait_s), None, 1, BODIES).check(2.0 / MAX_WAIT_SHARE)


def test_who_need_not_wait_is_told_to_come_in_a_second() -> None:
    with pytest.raises(OverloadedError) as caught:
        Admission(Queue(1, 0.0), 1, 1, BODIES).check(10)
    assert caught.value.retry_after_s == 1


@pytest.mark.parametrize(("wait_s", "again_s"), [(2.1, 3), (99.5, 100), (math.inf, 600)])
def test_who_would_wait_for_too_much_of_the_time_is_refused(wait_s: float, again_s: int) -> None:
    admission = Admission(Queue(1, wait_s), 1000, 1, BODIES)
    with pytest.raises(OverloadedError) as caught:
        admission.check(2.0 / MAX_WAIT_SHARE)
    assert str(caught.value).startswith(f"the expected wait is {wait_s:.2g} s and the deadline is")
    assert caught.value.retry_after_s == again_s


@pytest.mark.parametrize(
    ("lows_s", "deadline_s"),
    [
        pytest.param([2.1], 1, id="one-image"),
        pytest.param([0.11], 0.05, id="early-deadline"),
        pytest.param([0, 2.1, 0], 1, id="one-of-several"),
        pytest.param([1.1] * 4, 1, id="all-together"),
    ],
)
def test_work_that_would_be_far_too_late_is_refused(lows_s: list[float], deadline_s: float) -> None:
    forecasts = [Forecast(low_s, low_s) for low_s in lows_s]
    with pytest.raises(ExcessiveWorkError, match=f"the deadline is {deadline_s:g} s; send"):
        Admission(Queue(), None, 1, BODIES).check_work(forecasts, 2, deadline_s)


@pytest.mark.parametrize(
    ("lows_s", "deadline_s"),
    [
        pytest.param([2.0], 1, id="within-the-tolerance"),
        pytest.param([0.09], 0.001, id="short-work"),
        pytest.param([1.0] * 4, 1, id="together-on-two-workers"),
    ],
)
def test_work_that_may_be_in_time_is_admitted(lows_s: list[float], deadline_s: float) -> None:
    forecasts = [Forecast(100.0, low_s) for low_s in lows_s]
    Admission(Queue(), None, 1, BODIES).check_work(forecasts, 2, deadline_s)


def test_only_so_many_bodies_come_at_once() -> None:
    admission = Admission(Queue(), None, 1, BODIES)
    with ExitStack() as stack:
        for _ in range(BODIES):
            stack.enter_context(admission.bodies.reserve("10.0.0.1"))
        with pytest.raises(OverloadedError, match="receives the limit of 8 bodies"):
            stack.enter_context(admission.bodies.reserve("10.0.0.1"))
    with admission.bodies.reserve("10.0.0.1"):
        pass


def test_a_body_that_is_there_comes_no_more() -> None:
    admission = Admission(Queue(), None, 1, BODIES)
    with ExitStack() as stack:
        for _ in range(2 * BODIES):
            stack.enter_context(admission.bodies.reserve("10.0.0.1")).finish_receiving()
        for _ in range(BODIES):
            stack.enter_context(admission.bodies.reserve("10.0.0.1"))
        with pytest.raises(OverloadedError):
            stack.enter_context(admission.bodies.reserve("10.0.0.1"))


def test_a_body_arrives_once() -> None:
    admission = Admission(Queue(), None, 1, BODIES)
    for _ in range(2):
        with admission.bodies.reserve("10.0.0.1") as body:
            body.finish_receiving()
            body.finish_receiving()
    with ExitStack() as stack:
        for _ in range(BODIES):
            stack.enter_context(admission.bodies.reserve("10.0.0.1"))
        with pytest.raises(OverloadedError):
            stack.enter_context(admission.bodies.reserve("10.0.0.1"))


def test_a_place_is_free_again_however_it_was_left() -> None:
    admission = Admission(Queue(), None, 8, BODIES)

    def fail() -> None:
        with admission.bodies.reserve("10.0.0.1") as body:
            body.add_bytes(7)
            raise ZeroDivisionError

    for _ in range(BODIES + 1):
        with pytest.raises(ZeroDivisionError):
            fail()
    with admission.bodies.reserve("10.0.0.1") as body:
        body.add_bytes(7)


def test_bodies_of_an_address_have_an_eighth_less_than_others_leave() -> None:
    admission = Admission(Queue(), None, 800, BODIES)
    with admission.bodies.reserve("10.0.0.1") as first:
        first.add_bytes(600)
        first.finish_receiving()
        with admission.bodies.reserve("10.0.0.1") as second:
            second.add_bytes(100)
            with pytest.raises(OverloadedError, match="700 bytes of bodies from your address"):
                second.add_bytes(1)
            assert (first.size_bytes, second.size_bytes) == (600, 100)
            with admission.bodies.reserve("10.0.0.2") as other:
                other.add_bytes(80)
                with pytest.raises(OverloadedError, match="and 700 from others; the limit is 800"):
                    other.add_bytes(8)
        with admission.bodies.reserve("10.0.0.1") as third:
            third.add_bytes(100)
    with admission.bodies.reserve("10.0.0.1") as last:
        last.add_bytes(700)


class Calls:
    """What a held worker is at, and how it is told to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begun(self) -> list[str]:
        """The max_faces of each call that has begun."""
        path = self.folder / BEGUN
        return path.read_text().split() if path.exists() else []

    def end(self) -> None:
        (self.folder / MAY_END).touch()


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    return Calls(tmp_path)


@pytest.fixture
def full(calls: Calls) -> Iterator[Client]:
    """A service of one worker, held, for which two may wait."""
    with doubles(command("held", calls.folder), replace(REQUEST_LIMITS, max_queued=2)) as client:
        yield client
        calls.end()


async def untouched() -> AsyncIterator[bytes]:
    raise AssertionError("the body was read")
    yield b""


Content = bytes | AsyncIterator[bytes]


def post(
    client: Client, content: Content, path: str = "/detect", **headers: str
) -> asyncio.Task[httpx.Response]:
    """A request that is under way."""
    request = client.http.post(path, content=content, headers={**PNG, **headers})
    return asyncio.create_task(request)


async def until_waiting(client: Client, count: int) -> None:
    service = client.app.state.service
    assert isinstance(service, Service)
    await until(lambda: service.pool.queue_depth == count)


def test_beyond_the_limit_it_is_told_before_the_body_is_read(
    full: Client, calls: Calls, png: bytes
) -> None:
    async def ask() -> tuple[httpx.Response, list[int]]:
        first = post(full, png)
        await until(lambda: bool(calls.begun()))
        waiting = [post(full, png), post(full, png)]
        await until_waiting(full, 2)
        refused = await post(full, untouched())
        calls.end()
        answers = await asyncio.gather(first, *waiting)
        return refused, [answer.status_code for answer in answers]

    refused, others = full.runner.run(asyncio.wait_for(ask(), PATIENCE_S))
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["detail"].startswith("the queue is full with the limit of 2")
    assert full.metric("phiz_rejected_total", reason="overloaded") == 1
    assert full.metric("phiz_request_seconds_count", model="auto", outcome="overloaded") == 1
    assert others == [200, 200, 200]


def test_bodies_that_come_slowly_keep_nobody_out_but_the_queue_may_fill_meanwhile(
    full: Client, calls: Calls, png: bytes
) -> None:
    async def ask() -> tuple[list[int], httpx.Response, list[int]]:
        reading, finish = asyncio.Semaphore(0), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield png[:10]
            reading.release()
            await finish.wait()
            yield png[10:]

        slow = [post(full, slowly()) for _ in range(20)]
        for _ in slow:
            await reading.acquire()
        good = [(await post(full, png, "/detect?model=back")).status_code for _ in range(3)]
        late = slow.pop()
        first = post(full, png)
        await until(lambda: bool(calls.begun()))
        waiting = [post(full, png), post(full, png)]
        await until_waiting(full, 2)
        finish.set()
        refused = await late
        calls.end()
        answers = await asyncio.gather(first, *waiting)
        await asyncio.gather(*slow)
        return good, refused, [answer.status_code for answer in answers]

    good, refused, others = full.runner.run(asyncio.wait_for(ask(), PATIENCE_S))
    assert good == [200] * 3
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert others == [200] * 3


def test_a_body_that_is_there_keeps_no_other_from_coming(calls: Calls, png: bytes) -> None:
    async def ask(client: Client) -> list[int]:
        first = post(client, png)
        await until(lambda: bool(calls.begun()))
        behind = post(client, png)
        await until_waiting(client, 1)
        calls.end()
        return [(await first).status_code, (await behind).status_code]

    with doubles(command("held", calls.folder), replace(REQUEST_LIMITS, max_bodies=1)) as client:
        assert client.runner.run(asyncio.wait_for(ask(client), PATIENCE_S)) == [200, 200]


def test_a_body_may_take_only_so_long(calls: Calls, png: bytes) -> None:
    with doubles(
        command("held", calls.folder), replace(REQUEST_LIMITS, body_timeout_s=0.01)
    ) as client:
        left = asyncio.Event()

        async def trickle() -> AsyncIterator[bytes]:
            yield png[:10]
            await left.wait()

        request = client.http.post("/detect", content=trickle(), headers=PNG)
        response = client.runner.run(asyncio.wait_for(request, PATIENCE_S))
        assert client.metric("phiz_rejected_total", reason="body_too_slow") == 1
    assert (response.status_code, response.json()["code"]) == (408, "body_too_slow")
    assert response.json()["detail"].startswith(
        "the body was not complete after the limit of 0.01 s"
    )
    assert response.headers["connection"] == "close"


def test_bodies_that_wait_have_only_so_many_bytes(calls: Calls) -> None:
    # An address may have seven times the largest picture, of which there are eight.
    image_bytes = encoded((60, 40)).ljust(LARGE.max_bytes, b"\0")

    async def ask(client: Client) -> tuple[httpx.Response, list[int]]:
        taken = [post(client, image_bytes) for _ in range(7)]
        await until_waiting(client, 6)
        refused = await post(client, image_bytes)
        calls.end()
        return refused, [(await one).status_code for one in taken]

    with doubles(command("held", calls.folder), REQUEST_LIMITS) as client:
        refused, others = client.runner.run(asyncio.wait_for(ask(client), PATIENCE_S))
        again = client.ask("POST", "/detect", content=image_bytes, kind="image/png")
    assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
    assert refused.json()["detail"].startswith("the service already holds 7000000")
    assert others == [200] * 7
    assert again.status_code == 200


def test_an_answer_that_is_late_is_told_so_and_what_has_not_begun_is_not_done(
    calls: Calls, png: bytes
) -> None:
    async def ask(client: Client) -> list[httpx.Response]:
        first = post(client, png, "/detect?max_faces=1")
        await until(lambda: bool(calls.begun()))
        behind = post(client, png, "/detect?max_faces=2")
        answers = [await first, await behind]
        # The worker is still at the first, so that the next would be late as well.
        refused = await post(client, png, "/detect?max_faces=3")
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        calls.end()
        await until(lambda: client.app.state.service.pool.wait_s == 0)
        return [*answers, await post(client, png, "/detect?max_faces=4")]

    with doubles(command("held", calls.folder), replace(REQUEST_LIMITS, deadline_s=0.5)) as client:
        *late, last = client.runner.run(asyncio.wait_for(ask(client), PATIENCE_S))
        count = client.metric("phiz_pictures_total", model="auto", outcome="deadline_exceeded")
    for response in late:
        assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
        assert response.json()["detail"].startswith(
            "the answer was not ready after the limit of 0.5 s"
        )
    assert last.status_code == 200
    assert calls.begun() == ["1", "4"]
    assert count == 2


def test_a_caller_may_ask_for_an_earlier_end_but_for_no_later_one(calls: Calls, png: bytes) -> None:
    async def ask(client: Client, deadline: str) -> httpx.Response:
        return await post(client, png, **{"phiz-deadline": deadline})

    bounds = replace(REQUEST_LIMITS, deadline_s=0.4)
    for deadline, seconds in (("0.2", "0.2"), ("3600", "0.4")):
        with doubles(command("held", calls.folder), bounds) as client:
            response = client.runner.run(asyncio.wait_for(ask(client, deadline), PATIENCE_S))
            assert response.status_code == 504
            assert f"not ready after the limit of {seconds} s" in response.json()["detail"]
            wrong = client.runner.run(ask(client, "soon"))
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_option")


def test_the_pictures_of_a_batch_that_are_late_are_told_so_each(calls: Calls, png: bytes) -> None:
    body, kind = form(("image", png), ("image", b"no picture"), ("image", png))
    with doubles(
        command("held", calls.folder), replace(REQUEST_LIMITS, deadline_s=0.4), 2
    ) as client:
        response = client.ask("POST", "/detect/batch", content=body, kind=kind)
    codes = [result["code"] for result in response.json()["results"]]
    assert codes == ["deadline_exceeded", "unsupported_image", "deadline_exceeded"]


def test_who_would_wait_too_long_is_told_when_to_try_again_before_the_body_is_read(
    calls: Calls, png: bytes
) -> None:
    async def ask(client: Client) -> list[httpx.Response]:
        first = post(client, png)  # it is expected to take 4 s
        await until(lambda: bool(calls.begun()))
        refused = [
            await post(client, untouched(), **{"phiz-deadline": "7.9"}),
            await post(client, untouched(), "/detect/batch", **{"phiz-deadline": "7.9"}),
        ]
        admitted = post(client, png, **{"phiz-deadline": "8.1"})
        await until_waiting(client, 1)
        refused.append(await post(client, untouched()))
        calls.end()
        return [*refused, await first, await admitted]

    with doubles(command("long", calls.folder), REQUEST_LIMITS) as client:
        answers = client.runner.run(asyncio.wait_for(ask(client), PATIENCE_S))
    assert [answer.status_code for answer in answers] == [503, 503, 503, 200, 200]
    assert [answer.headers["retry-after"] for answer in answers[:3]] == ["4", "4", "8"]
    assert answers[0].json()["detail"] == (
        "the expected wait is 4 s and the deadline is 7.9 s; try again in a moment"
    )


def test_by_default_as_many_wait_as_can_be_answered_in_time(calls: Calls, png: bytes) -> None:
    async def ask(client: Client) -> list[int]:
        tasks = [post(client, png)]
        await until(lambda: bool(calls.begun()))
        tasks += [post(client, png) for _ in range(100)]
        await until_waiting(client, 100)
        calls.end()
        return [(await task).status_code for task in tasks]

    with doubles(command("held", calls.folder), REQUEST_LIMITS) as client:
        assert client.runner.run(asyncio.wait_for(ask(client), PATIENCE_S)) == [200] * 101
