import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from phiz.api.server.bodies import STALE_S
from phiz.api.service import MAX_BODIES
from tests.api.doubles import BEGUN, MAY_END

from .running import (
    CUT_SHORT,
    GROUP,
    IMAGE,
    PATIENCE_S,
    PLAIN,
    SELFIE,
    SERVE,
    Running,
    Starter,
    all_received,
    curl,
    environment,
    head_of,
    received,
    running,
    wait_for,
)

pytestmark = pytest.mark.integration


def test_an_announced_length_over_the_limit_is_refused_at_once(service: Running) -> None:
    with service.connect() as connection:
        connection.sendall(
            b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\n"
            b"content-length: 20971521\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.needs("curl")
def test_a_body_that_grows_over_the_limit_is_refused(service: Running, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(20 * 1024 * 1024 + 1))
    status, problem = curl(
        "-H", "transfer-encoding: chunked", *PLAIN, f"@{tmp_path / 'big'}", f"{service.url}/detect"
    )
    assert (status, problem["code"]) == (413, "too_many_bytes")


def test_a_form_over_the_limit_is_told_the_limit_that_is_documented(service: Running) -> None:
    with service.connect() as connection:
        connection.sendall(
            b"POST /detect HTTP/1.1\r\nhost: x\r\n"
            b"content-type: multipart/form-data; boundary=x\r\ncontent-length: 21037057\r\n\r\n"
        )
        answer = received(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"the body has 21037057 bytes; the limit is 20971520 for the image" in answer


@pytest.fixture(scope="module")
def large_jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """59 megapixels, more than the limit of 50; a half has 15."""
    path = tmp_path_factory.mktemp("large") / "image.jpg"
    Image.open(GROUP).convert("RGB").resize((16_382, 3628)).save(path, quality=50)
    return path


@pytest.mark.needs("curl")
@pytest.mark.parametrize("model", ["front", "back", "full", "auto"])
def test_large_jpeg_is_answered_by_models_that_read_it_at_a_smaller_scale(
    service: Running, large_jpeg: Path, model: str
) -> None:
    status, answer = curl("-F", f"image=@{large_jpeg}", f"{service.url}/detect?model={model}")
    assert status == 200
    assert answer["image"] == {"width": 16_382, "height": 3628}


@pytest.mark.needs("curl")
def test_large_jpeg_is_refused_by_the_model_that_reads_every_pixel(
    service: Running, large_jpeg: Path
) -> None:
    status, problem = curl("-F", f"image=@{large_jpeg}", f"{service.url}/detect?model=mtcnn")
    assert (status, problem["code"]) == (413, "too_many_pixels")
    assert "59433896 pixels; the limit is 50000000 pixels" in problem["detail"]


def test_a_client_that_leaves_is_no_error(service: Running) -> None:
    before = service.metric("phiz_request_seconds_count", outcome="disconnected")
    with service.connect() as connection:
        connection.sendall(CUT_SHORT)
    wait_for(lambda: service.metric("phiz_request_seconds_count", outcome="disconnected") > before)
    assert service.metric("phiz_inflight_requests") == 0
    assert service.log.read_text() == ""


@pytest.mark.needs("curl")
def test_slow_bodies_keep_nobody_out_and_end(start: Starter) -> None:
    with start(PHIZ_QUEUE="2", PHIZ_BODY_TIMEOUT="2") as service, ExitStack() as stack:
        slow = [stack.enter_context(service.connect()) for _ in range(10)]
        for connection in slow:
            connection.sendall(CUT_SHORT)
        wait_for(lambda: service.metric("phiz_inflight_requests") == len(slow))
        assert curl("-F", f"image=@{SELFIE}", f"{service.url}/detect")[0] == 200
        for connection in slow:
            answer = all_received(connection)
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b'"code":"body_too_slow"' in answer
        assert service.metric("phiz_inflight_requests") == 0
        assert service.log.read_text() == ""


@pytest.mark.needs("curl")
def test_bounds_are_set_by_variables(models_folder: Path, tmp_path: Path) -> None:
    env = environment(models_folder, PHIZ_WORKERS="1", PHIZ_DEADLINE="0.002", PHIZ_MAX_PICTURES="2")
    with running(SERVE, env, tmp_path / "log") as service:
        assert service.metric("phiz_workers") == 1
        status, problem = curl("-F", f"image=@{GROUP}", f"{service.url}/detect?model=mtcnn")
        assert (status, problem["code"]) == (504, "deadline_exceeded")
        assert "not ready after the limit of 0.002 s" in problem["detail"]
        wait_for(lambda: service.metric("phiz_queue_wait_seconds") == 0)
        image_paths = ["-F", f"image=@{SELFIE}"]
        status, problem = curl(*image_paths * 3, f"{service.url}/detect/batch")
        assert (status, problem["code"]) == (400, "malformed_body")
        assert "exceeds the limit of 2 fields 'image'" in problem["detail"]
        assert service.log.read_text() == ""


class Held:
    """How a worker that is held tells of its calls, and is told to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begun(self) -> list[str]:
        """The max_faces of each call that has begun."""
        path = self.folder / BEGUN
        return path.read_text().split() if path.exists() else []

    def until_begun(self, calls: list[str]) -> None:
        wait_for(lambda: self.begun() == calls)

    def end(self) -> None:
        (self.folder / MAY_END).touch()


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return Held(tmp_path)


@pytest.mark.needs("curl")
def test_a_full_queue_refuses_and_what_nobody_waits_for_any_more_does_not_begin(
    start: Starter, held: Held
) -> None:
    with start.doubled("held", queue=1) as service, service.connect() as first:
        first.sendall(head_of(IMAGE, "?max_faces=1") + IMAGE)
        held.until_begun(["1"])
        with service.connect() as leaving:
            leaving.sendall(head_of(IMAGE, "?max_faces=2") + IMAGE)
            wait_for(lambda: service.metric("phiz_queue_depth") == 1)
            with service.connect() as refused:
                refused.sendall(head_of(IMAGE))  # and nothing of the body
                answer = received(refused)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nretry-after: 1\r\n" in answer.lower()
            assert b'"code":"overloaded"' in answer
        wait_for(lambda: service.metric("phiz_queue_depth") == 0)
        assert service.metric("phiz_rejected_total", reason="overloaded") == 1
        assert service.metric("phiz_request_seconds_count", outcome="disconnected") == 1
        held.end()
        assert received(first).startswith(b"HTTP/1.1 200 ")
        assert curl("-F", f"image=@{SELFIE}", f"{service.url}/detect?max_faces=3")[0] == 200
        assert service.stop() == 0
        assert service.log.read_text() == ""
    assert held.begun() == ["1", "3"]


@pytest.mark.needs("curl")
def test_a_client_that_leaves_while_several_pictures_wait_is_no_error(
    start: Starter, held: Held
) -> None:
    fields = [part for _ in range(3) for part in ("-F", f"image=@{SELFIE}")]
    with start.doubled("held") as service:
        with pytest.raises(subprocess.CalledProcessError):
            curl("--max-time", "1", *fields, f"{service.url}/detect/batch?max_faces=1")
        held.until_begun(["1"])
        wait_for(lambda: service.metric("phiz_inflight_requests") == 0)
        assert service.metric("phiz_request_seconds_count", outcome="disconnected") == 1
        assert service.metric("phiz_queue_depth") == 0
        held.end()
        assert curl("-F", f"image=@{SELFIE}", f"{service.url}/detect?max_faces=2")[0] == 200
        assert service.stop() == 0
        assert service.log.read_text() == ""
    assert held.begun() == ["1", "2"]


def send_slowly(service: Running, address: str, count: int) -> list[socket.socket]:
    """Begin requests whose bodies do not go on."""
    connections = []
    for _ in range(count):
        connection = socket.create_connection(service.address, PATIENCE_S, (address, 0))
        connection.sendall(CUT_SHORT)
        connections.append(connection)
    return connections


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("127.0.0.2", "127.0.0.3")])
def test_silent_bodies_keep_nobody_out(service: Running, addresses: tuple[str, ...]) -> None:
    bodies = [
        body
        for address in addresses
        for body in send_slowly(service, address, (MAX_BODIES + 8) // len(addresses))
    ]
    with ExitStack() as stack, service.connect() as user:
        for body in bodies:
            stack.enter_context(body)
        time.sleep(STALE_S)
        for _ in range(20):
            user.sendall(head_of(IMAGE, "?model=front") + IMAGE)
            assert received(user).startswith(b"HTTP/1.1 200 ")
        # Of the last ones, some may be refused with 503, which keeps the connection.
        answers = [received(body) for body in bodies]
    refused = [answer for answer in answers if answer.startswith(b"HTTP/1.1 408 ")]
    assert len(refused) > 0.9 * len(bodies)
    assert any(b"and this one was the slowest" in answer for answer in refused)
    assert any(b"the limit is 500 bytes per second" in answer for answer in refused)
    assert service.log.read_text() == ""


def test_body_with_the_least_rate_is_accepted(service: Running) -> None:
    with service.connect() as connection:
        connection.sendall(head_of(IMAGE, "?model=front"))
        for begin in range(0, 8000, 1000):  # for longer than the grace
            connection.sendall(IMAGE[begin : begin + 1000])
            time.sleep(1)
        connection.sendall(IMAGE[8000:])
        assert received(connection).startswith(b"HTTP/1.1 200 ")
