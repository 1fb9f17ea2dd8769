"""The files of the page /docs, asked for in unusual ways."""

import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import pytest

from .running import Running, Starter

pytestmark = pytest.mark.integration

SCRIPT: Final = "/docs/swagger-ui-bundle.js"  # 1.5 MB, more than the system buffers
REQUEST: Final = f"GET {SCRIPT} HTTP/1.1\r\nhost: x\r\n"
RESET: Final = struct.pack("ii", 1, 0)  # the connection is reset when it is closed


def leave(service: Running, request: bytes, received: int, *, is_reset: bool) -> None:
    """Ask, read a little of the answer, and leave."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2000)
        connection.connect(service.address)
        if is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.sendall(request)
        if received:
            connection.recv(received)


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(f"{REQUEST}\r\n".encode(), id="one"),
        pytest.param(3 * f"{REQUEST}\r\n".encode(), id="pipelined"),
        pytest.param(f"{REQUEST}range: bytes=0-99999,200000-\r\n\r\n".encode(), id="ranges"),
        pytest.param(f"{REQUEST}content-length: 9\r\n\r\n1".encode(), id="half-a-body"),
    ],
)
def test_client_that_leaves_a_file_leaves_nothing_in_the_log(
    start: Starter, request_bytes: bytes
) -> None:
    with start() as service:
        with ThreadPoolExecutor(8) as pool:
            for number in range(32):
                pool.submit(
                    leave, service, request_bytes, 1000 * (number % 2), is_reset=number % 4 < 2
                )
        time.sleep(0.2)
        assert httpx.get(service.url + SCRIPT).is_success
        assert service.stop() == 0
        assert service.log.read_text() == ""


@pytest.mark.parametrize("header", ["bytes=x", "bytes=", "bytes=5-2", "bytes=99999999-", "lines=1"])
def test_unusable_range_is_answered_as_all_errors_are(service: Running, header: str) -> None:
    answer = httpx.get(service.url + SCRIPT, headers={"range": header})
    assert (answer.status_code, answer.json()["code"]) == (416, "bad_range")
    assert answer.headers["content-type"] == "application/problem+json"


def test_usable_ranges_are_sent(service: Running) -> None:
    whole = httpx.get(service.url + SCRIPT).content
    part = httpx.get(service.url + SCRIPT, headers={"range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole[10:20])


def test_file_that_a_browser_has_is_not_sent_again(service: Running) -> None:
    first = httpx.get(service.url + SCRIPT)
    again = httpx.get(service.url + SCRIPT, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
