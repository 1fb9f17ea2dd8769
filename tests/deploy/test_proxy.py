"""The proxy of the project with a real service behind it, and hostile clients before it."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.service.running import (
    CUT_SHORT,
    IMAGE,
    PATIENCE_S,
    SERVE,
    Running,
    all_received,
    environment,
    running,
    wait_for,
)
from tests.tools import program

from .metrics import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.needs("haproxy")]

CONFIG = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text("utf-8")
CONNECTIONS = int(re.findall(r"presetenv PROXY_CLIENT_CONNECTIONS (\d+)", CONFIG)[0])
HALF = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def localise(service: Running, port: int) -> str:
    """The configuration with one replica on this machine, instead of those of the engine."""
    text = CONFIG
    for pattern, replacement in (
        (r"bind :8000", f"bind 127.0.0.1:{port}"),
        (r"resolvers engine\n(    .*\n)+", ""),
        (r" init-addr none resolvers engine resolve-prefer ipv4", ""),
        (
            r"server-template phiz 16 phiz:8000",
            f"server phiz {service.address[0]}:{service.address[1]}",
        ),
    ):
        text, count = re.subn(pattern, replacement, text)
        assert count == 1, pattern
    return text


@contextmanager
def proxying(service: Running, folder: Path, **variables: str) -> Iterator[str]:
    """The address of a proxy before a service."""
    port = find_port()
    (folder / "haproxy.cfg").write_text(localise(service, port))
    with (
        (folder / "proxy.log").open("w") as log,
        subprocess.Popen(
            [program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")],
            env=variables,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(lambda: is_ready(url))
            yield url
        finally:
            process.kill()


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def served(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    log = tmp_path_factory.mktemp("served") / "log"
    with running([*SERVE, "--workers", "1"], environment(models_folder), log) as service:
        yield service


@pytest.fixture(scope="module")
def proxy(served: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with proxying(served, tmp_path_factory.mktemp("proxy")) as url:
        yield url


def connect(url: str, address: str) -> socket.socket:
    where = httpx.URL(url)
    return socket.create_connection((where.host, where.port or 80), PATIENCE_S, (address, 0))


def send(url: str, addresses: int, each: int, content: bytes) -> list[socket.socket]:
    """Open connections from several hostile addresses, and send half a request on each."""
    opened = []
    for number in range(addresses):
        for _ in range(each):
            connection = connect(url, f"127.0.1.{number + 1}")
            connection.sendall(content)
            opened.append(connection)
    return opened


def ask_often(url: str, count: int = 20) -> float:
    """Send good requests, each of which must succeed, and return the seconds of the longest."""
    longest_s = 0.0
    with httpx.Client() as client:
        for _ in range(count):
            begun_s = time.monotonic()
            answer = client.post(f"{url}/detect?model=front", files={"image": IMAGE})
            assert answer.status_code == 200
            longest_s = max(longest_s, time.monotonic() - begun_s)
    return longest_s


def read_problem(answer: bytes) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\ncontent-type: application/problem+json\r\n" in head
    problem = json.loads(body)
    assert problem.keys() == {"type", "title", "status", "code", "detail"}
    assert head.startswith(b"HTTP/1.1 %d " % problem["status"])
    return dict(problem)


@pytest.mark.parametrize("addresses", [1, 2, 8])
@pytest.mark.parametrize("content", [HALF, CUT_SHORT], ids=["half-heads", "silent-bodies"])
def test_incomplete_requests_delay_no_good_one(
    served: Running, proxy: str, addresses: int, content: bytes
) -> None:
    with ExitStack() as stack:
        hostile = send(proxy, addresses, 2 * CONNECTIONS - 1, content)
        for connection in hostile:
            stack.enter_context(connection)
        # The service has none of them.
        assert served.metric("phiz_inflight_requests") == 0
        assert ask_often(proxy) < 5
        answer = all_received(hostile[0])
    assert answer.startswith(b"HTTP/1.1 408 ")
    if content is CUT_SHORT:
        assert read_problem(answer)["code"] == "body_too_slow"


def test_client_with_too_many_connections_is_refused(proxy: str) -> None:
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(proxy, "127.0.2.1")) for _ in range(CONNECTIONS + 1)]
        time.sleep(0.2)
        opened[-1].sendall(HALF + b"connection: close\r\n\r\n")
        problem = read_problem(all_received(opened[-1]))
        assert (problem["status"], problem["code"]) == (429, "rate_exceeded")
        opened += [stack.enter_context(connect(proxy, "127.0.2.1")) for _ in range(CONNECTIONS + 9)]
        with suppress(ConnectionResetError):
            assert opened[-1].recv(100) == b""
        ask_often(proxy, 1)


def test_client_with_too_many_requests_is_refused(served: Running, tmp_path: Path) -> None:
    with proxying(served, tmp_path, PROXY_CLIENT_REQUESTS="20") as url, httpx.Client() as client:
        answers = [client.get(f"{url}/healthz") for _ in range(30)]
    assert answers[0].status_code == 200
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "rate_exceeded")
    assert answers[-1].headers["retry-after"] == "1"


def test_errors_of_the_proxy_have_the_form_of_the_service(proxy: str) -> None:
    with connect(proxy, "127.0.0.1") as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert read_problem(all_received(connection))["code"] == "not_found"


def test_large_body_that_asks_first_passes_the_proxy(proxy: str) -> None:
    answer = httpx.post(f"{proxy}/detect", content=bytes(10**6), headers={"expect": "100-continue"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_image")
