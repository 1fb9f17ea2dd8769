"""Refusals under overload, before requests begin."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from phiz.api.security.keys import format_line
from tests.api.doubles import BEGUN, HELD_S, MAY_END

from .running import IMAGE, Running, Starter, all_received, head_of, received, wait_for

pytestmark = pytest.mark.integration

DETECT = head_of(IMAGE, "?model=front")
HEALTH = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"
QUEUED = 2
KEY = 32 * "k"


@pytest.fixture(scope="module")
def full(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service whose worker and queue are taken until the end of these tests."""
    folder = tmp_path_factory.mktemp("full")
    bounds = {"queue": QUEUED, "deadline_s": HELD_S, "hangs_s": HELD_S}
    with (
        Starter(models_folder, folder).doubled("taken", logged="failed", **bounds) as service,
        ExitStack() as stack,
    ):
        fill(service, stack, folder)
        yield service
        (folder / MAY_END).touch()


def fill(service: Running, stack: ExitStack, folder: Path) -> None:
    """Take the worker and the queue of a service whose worker is held."""
    for count in range(QUEUED + 1):
        stack.enter_context(service.connect()).sendall(head_of(IMAGE) + IMAGE)
        if not count:
            wait_for((folder / BEGUN).exists)
    wait_for(lambda: service.metric("phiz_queue_depth") == QUEUED)


def ask(service: Running, *headers: str, path: bytes = b"/detect") -> tuple[list[bytes], bytes]:
    """The lines of an answer's head, without those that differ each time, and its body."""
    with service.connect() as connection:
        request = head_of(IMAGE, "?model=front", *headers).replace(b"/detect", path, 1)
        connection.sendall(request + IMAGE)
        head, _, body = received(connection).partition(b"\r\n\r\n")
    status_line, *lines = head.lower().split(b"\r\n")
    varying = (b"date: ", b"x-request-id: ", b"connection: ")
    return [status_line, *sorted(line for line in lines if not line.startswith(varying))], body


def test_client_sees_what_the_routes_would_answer(full: Running) -> None:
    by_the_routes = ask(full, "connection: close")
    early = ask(full)
    assert early == by_the_routes
    assert b"retry-after: 1" in early[0]
    assert b"the queue is full with the limit of 2 detections" in early[1]


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (b"/v1/vision/face", {"success": False, "error": "…", "code": 503}),
        (b"/api/v1/detection/detect", {"message": "…", "code": 41}),
    ],
)
def test_client_of_another_server_sees_the_form_of_its_interface(
    full: Running, path: bytes, answer: dict[str, object]
) -> None:
    by_the_routes = ask(full, "connection: close", path=path)
    early = ask(full, path=path)
    assert early == by_the_routes
    assert early[0][0].startswith(b"http/1.1 503 ")
    assert {b"retry-after: 1", b"content-type: application/json"} <= {*early[0]}
    told = json.loads(early[1])
    (message,) = [each for each in told.values() if isinstance(each, str)]
    assert "the queue is full with the limit of 2 detections" in message
    assert {name: "…" if each == message else each for name, each in told.items()} == answer


def test_refusal_is_counted_and_logged_as_by_the_routes(full: Running) -> None:
    labels = {"model": "front", "outcome": "overloaded"}
    rejected = full.metric("phiz_rejected_total", reason="overloaded")
    requests = full.metric("phiz_request_seconds_count", **labels)
    logged = len(full.log.read_text().splitlines())
    for count, headers in enumerate(((), ("connection: close",)), 1):
        ask(full, *headers, "x-request-id: seven")
        assert full.metric("phiz_rejected_total", reason="overloaded") == rejected + count
        assert full.metric("phiz_request_seconds_count", **labels) == requests + count
        assert full.metric("phiz_inflight_requests") == QUEUED + 1
    new = full.log.read_text().splitlines()[logged:]
    lines = [line.partition(" bytes_in=") for line in new]
    (early, _, _), (by_the_routes, _, _) = lines
    assert (
        early[len("2026-11-30T12:00:00.000") :] == by_the_routes[len("2026-11-30T12:00:00.000") :]
    )
    told = 'request="seven" method="POST" path="/detect" status=503 code="overloaded" model="front"'
    assert told in early


def test_id_of_the_request_is_returned(full: Running) -> None:
    with full.connect() as connection:
        connection.sendall(head_of(IMAGE, "", "x-request-id: seven") + IMAGE)
        assert b"\r\nx-request-id: seven\r\n" in received(connection)


def test_connection_goes_on_after_a_body_that_is_discarded(full: Running) -> None:
    with full.connect() as connection:
        for _ in range(3):
            connection.sendall(DETECT + IMAGE[:10])
            assert received(connection).startswith(b"HTTP/1.1 503 ")
            connection.sendall(IMAGE[10:])
        connection.sendall(HEALTH)
        assert received(connection).startswith(b"HTTP/1.1 200 ")


def test_requests_that_come_together_are_answered_in_their_order(full: Running) -> None:
    with full.connect() as connection:
        refused = DETECT + IMAGE
        connection.sendall(refused + HEALTH + refused + refused + HEALTH)
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 5 or not answers.endswith(b"alive\n"):
            answers += connection.recv(65536)
    statuses = [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"503", b"200", b"503", b"503", b"200"]


@pytest.mark.parametrize(
    ("version", "headers"), [("1.0", ("connection: keep-alive",)), ("1.1", ("connection: close",))]
)
def test_connection_that_is_to_end_is_ended(
    full: Running, version: str, headers: tuple[str, ...]
) -> None:
    head = head_of(IMAGE, "", *headers).replace(b"HTTP/1.1", b"HTTP/" + version.encode())
    with full.connect() as connection:
        connection.sendall(head + IMAGE[:10])
        time.sleep(0.1)
        connection.sendall(IMAGE[10:])
        answer = all_received(connection)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nconnection: close\r\n" in answer


@pytest.mark.parametrize("wish", ["phiz-deadline:", "phiz-deadline: -1"])
def test_wrong_deadline_is_told_before_the_overload(full: Running, wish: str) -> None:
    with full.connect() as connection:
        connection.sendall(head_of(IMAGE, "", wish) + IMAGE)
        assert received(connection).startswith(b"HTTP/1.1 422 ")


def test_next_head_has_its_own_time(start: Starter, tmp_path: Path) -> None:
    with start.doubled("held", queue=QUEUED, head_s=1) as service, ExitStack() as stack:
        fill(service, stack, tmp_path)
        with service.connect() as connection:
            connection.sendall(DETECT + IMAGE)
            assert received(connection).startswith(b"HTTP/1.1 503 ")
            time.sleep(1.5)
            connection.sendall(HEALTH[:20])
            begun_s = time.monotonic()
            assert all_received(connection).startswith(b"HTTP/1.1 408 ")
            assert time.monotonic() - begun_s > 0.8
        (tmp_path / MAY_END).touch()


def test_connection_that_was_refused_last_is_not_evicted_first(
    start: Starter, tmp_path: Path
) -> None:
    with (
        start.doubled("held", queue=QUEUED, connections=QUEUED + 3) as service,
        ExitStack() as stack,
    ):
        fill(service, stack, tmp_path)
        active, idle = (stack.enter_context(service.connect()) for _ in range(2))
        for connection in (active, idle, active):
            connection.sendall(DETECT + IMAGE)
            assert received(connection).startswith(b"HTTP/1.1 503 ")
        stack.enter_context(service.connect()).sendall(HEALTH)
        assert idle.recv(100) == b""
        active.sendall(HEALTH)
        assert received(active).startswith(b"HTTP/1.1 200 ")
        (tmp_path / MAY_END).touch()


def test_wrong_option_is_told_before_the_overload(full: Running) -> None:
    with full.connect() as connection:
        connection.sendall(head_of(IMAGE, "?model=nobody") + IMAGE)
        assert received(connection).startswith(b"HTTP/1.1 422 ")


def test_service_with_keys_refuses_strangers_for_their_key(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(format_line(KEY, "user", ["detect"]))
    slow = head_of(IMAGE, "?model=mtcnn&rotate=auto&min_face=12", f"x-api-key: {KEY}") + IMAGE
    with (
        start(PHIZ_API_KEYS=str(tmp_path / "keys"), PHIZ_QUEUE="1") as service,
        ExitStack() as stack,
    ):
        for _ in range(40):
            stack.enter_context(service.connect()).sendall(slow)
        with service.connect() as connection:
            connection.sendall(DETECT + IMAGE)
            assert received(connection).startswith(b"HTTP/1.1 401 ")
