import asyncio
import gc
from collections.abc import Callable, Sequence

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from phiz.api.deadline import WATCH_AFTER_S, await_tasks
from phiz.api.server.disconnect import DISCONNECT_KEY, Disconnect
from phiz.errors import DeadlineError, UndecodableImageError
from phiz.workers.handle import WorkTask
from phiz.workers.latency import Workload
from phiz.workers.pool import WorkerPool

from .doubles import PATIENCE_S


def asked(*messages: Message | Exception) -> Request:
    """A request whose connection gives these after its body, and then nothing."""
    coming = list(messages)

    async def receive() -> Message:
        if not coming:
            await asyncio.Event().wait()
        message = coming.pop(0)
        if isinstance(message, Exception):
            raise message
        return message

    return Request({"type": "http"}, receive)


def idle() -> WorkerPool:
    """A pool without workers: what becomes of a task, the test decides."""
    return WorkerPool(["nothing"], 1, PATIENCE_S)


def submitted(pool: WorkerPool, count: int) -> list[WorkTask]:
    return [pool.submit("detect", b"", (), Workload("auto")) for _ in range(count)]


def test_outcomes_are_in_the_order_of_the_tasks() -> None:
    error = UndecodableImageError("cut short")

    async def ask() -> Sequence[object]:
        pool = idle()
        first, second, third = tasks = submitted(pool, 3)
        third.future.set_result("third")
        second.future.set_exception(error)
        asyncio.get_running_loop().call_later(0.01, first.future.set_result, "first")
        return await await_tasks(tasks, pool, asked(), PATIENCE_S)

    assert asyncio.run(ask()) == ["first", error, "third"]


def test_what_is_not_done_in_time_ends_with_the_deadline() -> None:
    async def ask() -> tuple[Sequence[object], int]:
        pool = idle()
        tasks = submitted(pool, 3)
        tasks[1].future.set_result("in time")
        return await await_tasks(tasks, pool, asked(), 0.01), pool.queue_depth

    (first, second, third), waiting = asyncio.run(ask())
    assert second == "in time"
    for late in (first, third):
        assert isinstance(late, DeadlineError)
        assert str(late).startswith("the answer was not ready after the limit of 0.01 s")
    assert waiting == 0


@pytest.mark.parametrize(
    ("left_s", "expected"),
    [
        (WATCH_AFTER_S / 2, [WATCH_AFTER_S / 2]),
        (WATCH_AFTER_S * 3, [WATCH_AFTER_S, WATCH_AFTER_S * 2]),
    ],
)
def test_the_time_is_up_when_it_should_be(
    monkeypatch: pytest.MonkeyPatch, left_s: float, expected: list[float]
) -> None:
    delays: list[float] = []

    async def ask() -> Sequence[object]:
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(delay: float, callback: Callable[..., object]) -> asyncio.TimerHandle:
            delays.append(delay)
            return call_later(delay, callback)

        monkeypatch.setattr(loop, "call_later", noted)
        pool = idle()
        return await await_tasks(submitted(pool, 1), pool, asked(), left_s)

    (late,) = asyncio.run(ask())
    assert isinstance(late, DeadlineError)
    assert delays == pytest.approx(expected)


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param([{"type": "http.disconnect"}], ClientDisconnect, id="left"),
        pytest.param(
            [{"type": "http.request"}, {"type": "http.disconnect"}], ClientDisconnect, id="later"
        ),
        pytest.param([ConnectionResetError("reset")], ConnectionResetError, id="broken"),
    ],
)
def test_what_ends_a_connection_ends_the_wait(
    messages: list[Message | Exception], expected: type[Exception]
) -> None:
    async def ask() -> int:
        pool = idle()
        with pytest.raises(expected):
            await await_tasks(submitted(pool, 2), pool, asked(*messages), PATIENCE_S)
        return pool.queue_depth

    assert asyncio.run(ask()) == 0


def test_who_is_answered_at_once_is_not_watched() -> None:
    looks: list[str] = []

    async def receive() -> Message:
        looks.append("at the connection")
        return await asyncio.Future()

    async def ask() -> Sequence[object]:
        pool = idle()
        tasks = submitted(pool, 1)
        asyncio.get_running_loop().call_soon(tasks[0].future.set_result, "at once")
        answers = await await_tasks(tasks, pool, Request({"type": "http"}, receive), PATIENCE_S)
        await asyncio.sleep(2 * WATCH_AFTER_S)
        return answers

    assert asyncio.run(ask()) == ["at once"]
    assert looks == []


def test_who_waits_longer_is_watched_until_he_is_answered() -> None:
    looks: list[str] = []

    async def receive() -> Message:
        looks.append("at the connection")
        try:
            return await asyncio.Future()
        finally:
            looks.append("no more")

    async def ask() -> None:
        pool = idle()
        tasks = submitted(pool, 1)
        asyncio.get_running_loop().call_later(2 * WATCH_AFTER_S, tasks[0].future.set_result, "late")
        assert await await_tasks(tasks, pool, Request({"type": "http"}, receive), PATIENCE_S)
        await asyncio.sleep(0)
        assert looks == ["at the connection", "no more"]

    asyncio.run(ask())


@pytest.mark.parametrize("has_left", [True, False])
def test_who_leaves_our_server_is_waited_for_no_longer(*, has_left: bool) -> None:
    async def receive() -> Message:
        raise AssertionError("nobody looks at the connection")

    async def ask() -> int:
        pool, disconnect = idle(), Disconnect()
        if has_left:
            disconnect.notify()
        else:
            asyncio.get_running_loop().call_later(2 * WATCH_AFTER_S, disconnect.notify)
        request = Request({"type": "http", DISCONNECT_KEY: disconnect}, receive)
        with pytest.raises(ClientDisconnect):
            await await_tasks(submitted(pool, 2), pool, request, PATIENCE_S)
        disconnect.notify()  # of the connection, for the last time
        return pool.queue_depth

    assert asyncio.run(ask()) == 0


def test_a_request_that_is_cancelled_leaves_nothing_to_do() -> None:
    async def ask() -> int:
        pool = idle()
        waiting = asyncio.create_task(await_tasks(submitted(pool, 2), pool, asked(), PATIENCE_S))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return pool.queue_depth

    assert asyncio.run(ask()) == 0


@pytest.mark.parametrize("cancelled", [False, True])
def test_no_error_is_left_that_nobody_takes(*, cancelled: bool) -> None:
    """The work has failed, and the connection fails or the request is cancelled."""
    complaints: list[str] = []

    async def ask() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
        pool = idle()
        tasks = submitted(pool, 2)
        tasks[1].future.set_exception(UndecodableImageError("of the work"))
        request = asked() if cancelled else asked(ConnectionResetError("reset"))
        waiting = asyncio.create_task(await_tasks(tasks, pool, request, PATIENCE_S))
        await asyncio.sleep(0)
        if cancelled:
            waiting.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else ConnectionResetError):
            await waiting

    asyncio.run(ask())
    gc.collect()
    assert complaints == []
