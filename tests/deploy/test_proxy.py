"""The proxy of the project with a real service behind it, and hostile clients before it."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets.sync.client

from benchmarks.kit.requests import encode_raw, encode_test_image
from tests.service.running import (
    CUT_SHORT,
    IMAGE,
    PATIENCE_S,
    SERVE,
    Running,
    all_received,
    environment,
    received,
    running,
    wait_for,
)
from tests.tools import program

from .metrics import ROOT

pytestmark = [pytest.mark.integration, pytest.mark.needs("haproxy")]

CONFIG = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text("utf-8")
CONNECTIONS = int(re.findall(r"presetenv PROXY_CLIENT_CONNECTIONS (\d+)", CONFIG)[0])
BACKENDS = 2
HALF = b"GET /healthz HTTP/1.1\r\nhost: x\r\n"


def find_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def localise(service: Running, port: int) -> str:
    """The configuration with one replica on this machine, instead of those of the engine."""
    text = CONFIG
    for pattern, replacement, expected in (
        (r"bind :8000", f"bind 127.0.0.1:{port}", 1),
        (r"resolvers engine\n(    .*\n)+", "", 1),
        (r" init-addr none resolvers engine resolve-prefer ipv4", "", BACKENDS),
        (
            r"server-template phiz 16 phiz:8000",
            f"server phiz {service.address[0]}:{service.address[1]}",
            BACKENDS,
        ),
    ):
        text, count = re.subn(pattern, replacement, text)
        assert count == expected, pattern
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
    assert body.endswith(b"}\n")
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


@pytest.mark.parametrize("content", [HALF, CUT_SHORT], ids=["half-heads", "silent-bodies"])
def test_incomplete_requests_delay_no_good_one_of_their_address(
    served: Running, proxy: str, content: bytes
) -> None:
    with ExitStack() as stack:
        for _ in range(1024):
            connection = stack.enter_context(connect(proxy, "127.0.0.1"))
            connection.sendall(content)
        assert served.metric("phiz_inflight_requests") == 0
        assert ask_often(proxy) < 5


@pytest.mark.parametrize(("address", "count"), [("127.0.0.1", 200), ("127.0.1.1", CONNECTIONS - 5)])
def test_pages_that_nobody_reads_delay_no_good_request(
    proxy: str, address: str, count: int
) -> None:
    pages = 100 * (b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n")
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connect(proxy, address)).sendall(pages)
        assert ask_often(proxy) < 5
        if address != "127.0.0.1":
            assert httpx.get(f"{proxy}/models").status_code == 200


def is_disconnected(url: str, stack: ExitStack) -> bool:
    """Whether a further connection of a hostile client is ended at once, without an answer."""
    try:
        connection = stack.enter_context(connect(url, "127.0.2.1"))
        connection.settimeout(0.02)
        return connection.recv(100) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_client_with_too_many_connections_is_refused_while_there_are_many(
    served: Running, tmp_path: Path
) -> None:
    busy = CONNECTIONS + 50
    with (
        proxying(served, tmp_path, PROXY_BUSY_CONNECTIONS=f"{busy}") as url,
        ExitStack() as stack,
    ):
        opened = [stack.enter_context(connect(url, "127.0.2.1")) for _ in range(busy)]
        assert not is_disconnected(url, stack)
        assert any(is_disconnected(url, stack) for _ in range(2 * CONNECTIONS))
        opened[-1].sendall(HALF + b"connection: close\r\n\r\n")
        assert all_received(opened[-1]).startswith(b"HTTP/1.1 200 ")
        ask_often(url, 1)


def test_client_with_too_many_connections_is_refused_while_many_requests_are_open(
    served: Running, tmp_path: Path
) -> None:
    variables = {"PROXY_CLIENT_CONNECTIONS": "5", "PROXY_BUSY_REQUESTS": "5"}
    path = "/detect?model=mtcnn&rotate=auto&min_face=12"
    with proxying(served, tmp_path, **variables) as url, ExitStack() as stack:
        opened = [stack.enter_context(connect(url, "127.0.2.1")) for _ in range(20)]
        message = encode_raw(path, encode_test_image()).to_message(httpx.URL(url).port or 80)
        for connection in opened:
            connection.sendall(message)
        answers = [received(connection) for connection in opened]
        refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 429 ")]
        assert 0 < len(refused) < len(opened)
        assert read_problem(refused[0])["code"] == "rate_exceeded"
        ask_often(url, 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_client_with_too_many_requests_is_refused(
    served: Running, tmp_path: Path, method: str
) -> None:
    other = {"GET": "POST", "POST": "GET"}[method]
    with proxying(served, tmp_path, PROXY_CLIENT_REQUESTS="20") as url, httpx.Client() as client:
        answers = [client.request(method, f"{url}/openapi.json") for _ in range(30)]
        counted_apart = client.request(other, f"{url}/openapi.json")
    assert answers[0].status_code != 429
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "rate_exceeded")
    assert answers[-1].headers["retry-after"] == "1"
    assert counted_apart.status_code != 429


def test_errors_of_the_proxy_have_the_form_of_the_service(proxy: str) -> None:
    with connect(proxy, "127.0.0.1") as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert read_problem(all_received(connection))["code"] == "not_found"


def test_large_body_that_asks_first_passes_the_proxy(proxy: str) -> None:
    answer = httpx.post(f"{proxy}/detect", content=bytes(10**6), headers={"expect": "100-continue"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_image")


def is_healthy(port: int) -> bool:
    """Return the result of the health check of the container."""
    script = ROOT / "deploy" / "haproxy" / "healthy.sh"
    command = ["bash", str(script), str(port)]
    ran = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE_S)
    return ran.returncode == 0


def test_stream_passes_the_proxy(proxy: str) -> None:
    address = proxy.replace("http", "ws", 1) + "/stream?model=front"
    with websockets.sync.client.connect(address, open_timeout=PATIENCE_S) as stream:
        for number in (1, 2):
            stream.send(IMAGE)
            assert json.loads(stream.recv(PATIENCE_S))["frame"] == number


def test_health_check_needs_a_replica_that_is_ready(models_folder: Path, tmp_path: Path) -> None:
    command = [*SERVE, "--workers", "1"]
    with ExitStack() as stack:
        service = running(command, environment(models_folder), tmp_path / "log")
        served = stack.enter_context(service)
        port = httpx.URL(stack.enter_context(proxying(served, tmp_path))).port
        assert port
        assert is_healthy(port)
        served.stop()
        wait_for(lambda: not is_healthy(port))
        # The checks are not requests of clients.
        assert '"path":"/readyz"' not in (tmp_path / "proxy.log").read_text()
    assert not is_healthy(port)
