import asyncio
import time
from itertools import repeat

import pytest

from benchmarks.endurance.mixture import ANSWERED, REFUSED, Request
from benchmarks.endurance.users import Answers, Users, find_code
from benchmarks.kit.requests import HOST

MESSAGE = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
SUCCESS = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def send(request: Request, answer: bytes, rate: float = 0) -> tuple[Answers, list[str]]:
    """Return the answers to ten requests, and the address of each connection's client.

    They are sent at a rate, or else one after the other.
    """
    hosts = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append(writer.get_extra_info("peername")[0])
        while await reader.read(1000):
            writer.write(answer)
            if b"content-length" not in answer:
                break
        writer.close()
        await writer.wait_closed()

    async def run() -> Answers:
        async with await asyncio.start_server(serve, HOST, 0) as server:
            users = Users(server.sockets[0].getsockname()[1], ["127.0.0.1", "127.0.0.2"])
            if rate:
                await users.send_at_rate(repeat(request), rate, 10 / rate)
            else:
                for _ in range(10):
                    await users.send_request(request, time.perf_counter())
            users.close()
            await asyncio.sleep(0.01)  # for the server to see that they left
            return users.take_answers()

    return asyncio.run(run()), hosts


def test_users_send_at_a_rate() -> None:
    started_s = time.perf_counter()
    answers, _ = send(Request(MESSAGE, None, ANSWERED), SUCCESS, 100)
    assert time.perf_counter() - started_s >= 0.09
    assert answers.counts == {"200": 10}
    assert answers.success_share == 1


def test_each_address_keeps_its_connection() -> None:
    _, hosts = send(Request(MESSAGE, None, ANSWERED), SUCCESS)
    assert hosts == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize(
    ("request_", "answer", "expected"),
    [
        pytest.param(Request(MESSAGE, None, ANSWERED), b"", {"lost": 10}, id="closed"),
        pytest.param(Request(MESSAGE, 3, frozenset()), SUCCESS, {"left": 10}, id="left"),
        pytest.param(
            Request(MESSAGE, None, REFUSED), SUCCESS, {"200 unexpected": 10}, id="unexpected"
        ),
        pytest.param(
            Request(MESSAGE, None, ANSWERED),
            b"HTTP/1.1 200 OK\r\n\r\n",
            {"not HTTP": 10},
            id="no-length",
        ),
    ],
)
def test_answers_are_counted_by_kind(
    request_: Request, answer: bytes, expected: dict[str, int]
) -> None:
    assert send(request_, answer)[0].counts == expected


def test_code_of_an_error_is_part_of_its_answer() -> None:
    assert find_code(503, b'{"code": "overloaded"}') == " overloaded"
    assert find_code(503, b"<html>") == ""
    assert find_code(200, b'{"code": "x"}') == ""


def test_percentiles_are_of_one_answer() -> None:
    answers = Answers({"200": [(0, 1.0), (1, 2.0), (2, 3.0)], "503 overloaded": [(1.5, 9.0)]})
    assert answers.compute_percentile(50) == 2
    assert answers.compute_percentile(50, "503 overloaded") == 9
    assert answers.compute_percentile(100, "504 deadline_exceeded") == 9
    assert answers.success_share == 0.75
    assert answers.find_last_bad(2.5) == 2
    assert answers.find_last_bad(3) == 1.5
    assert Answers({"200": [(3, 1.0)]}).find_last_bad(3) == 0


@pytest.mark.parametrize(
    ("keeps", "repeats", "expected", "repeated"),
    [
        (True, False, {"200": 5, "lost": 5}, 0),
        (True, True, {"200": 10}, 9),
        (False, False, {"200": 10}, 0),
    ],
    ids=["kept", "repeated", "new"],
)
def test_kept_connection_is_closed_without_an_answer(
    expected: dict[str, int], repeated: int, *, keeps: bool, repeats: bool
) -> None:
    """The server answers one request of each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        writer.write(SUCCESS)
        await reader.read(1000)
        writer.close()
        await writer.wait_closed()

    async def run() -> Users:
        async with await asyncio.start_server(serve, HOST, 0) as server:
            port = server.sockets[0].getsockname()[1]
            users = Users(port, keeps=keeps, repeats=repeats)
            for _ in range(10):
                await users.send_request(Request(MESSAGE, None, ANSWERED), time.perf_counter())
            users.close()
            await asyncio.sleep(0.01)  # for the server to see that they left
            return users

    users = asyncio.run(run())
    assert users.answers.counts == expected
    assert users.repeated == repeated
