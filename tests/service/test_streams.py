"""Streams of a real service, over WebSockets."""

import json
import os
import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image as Pillow
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.sync.client import ClientConnection, connect

from phiz.api.security.keys import create_key, format_line
from phiz.api.server.stream_connection import (
    MAX_FRAGMENTS,
    MAX_FRAME_BYTES,
    MAX_WAITING_MESSAGES,
)
from phiz.system.procfs import read_resident_bytes
from tests.api.doubles import BEGUN, MAY_END, command

from .doubled import doubled
from .running import (
    GROUP,
    IMAGE,
    ONE,
    PATIENCE_S,
    SELFIE,
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

ALICE, OPERATOR, LATER = create_key(), create_key(), create_key()
FRAMES, DROPPED = "phiz_frames_total", "phiz_frames_dropped_total"
HANDSHAKE = (
    b"GET /stream?%b HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def make_grey(width: int) -> bytes:
    file = BytesIO()
    Pillow.new("RGB", (width, 40), "grey").save(file, "PNG")
    return file.getvalue()


SMALL = make_grey(60)


@contextmanager
def stream(
    service: Running, query: str = "?model=front", **arguments: Any
) -> Iterator[ClientConnection]:
    url = service.url.replace("http", "ws", 1) + "/stream" + query
    with connect(url, open_timeout=PATIENCE_S, compression=None, **arguments) as connection:
        yield connection


def read(connection: ClientConnection) -> Any:
    return json.loads(connection.recv(PATIENCE_S))


def ask(connection: ClientConnection, image_bytes: bytes) -> Any:
    connection.send(image_bytes)
    return read(connection)


def read_end(connection: ClientConnection) -> tuple[int, str]:
    """The close code and its reason."""
    with pytest.raises(ConnectionClosed) as closed:
        connection.recv(PATIENCE_S)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code, closed.value.rcvd.reason


def shift(pixels: int) -> bytes:
    file = BytesIO()
    with Pillow.open(SELFIE) as image:
        image.convert("RGB").transform(
            image.size, Pillow.Transform.AFFINE, (1, 0, -pixels, 0, 1, 0)
        ).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_answers_are_those_of_detect_with_ids(service: Running) -> None:
    query = "?model=back&details=all&min_score=0.8"
    _, expected = curl("--data-binary", f"@{SELFIE}", "-H", "content-type: image/png",
                       f"{service.url}/detect{query}")  # fmt: skip
    with stream(service, query) as connection:
        for number in (1, 2, 3):
            answer = ask(connection, IMAGE)
            assert answer.pop("timing_ms").keys() == expected["timing_ms"].keys()
            assert (answer.pop("frame"), answer.pop("dropped")) == (number, 0)
            assert [face.pop("id") for face in answer["faces"]] == [1]
            assert answer == {
                name: value for name, value in expected.items() if name != "timing_ms"
            }


def test_face_keeps_its_id_while_it_moves_and_is_smoothed_on_request(service: Running) -> None:
    shifts = [0, 0, 0, 4, 8, 12]
    places = {}
    for smooth in ("false", "true"):
        with stream(service, f"?model=front&smooth={smooth}") as connection:
            answers = [ask(connection, shift(pixels)) for pixels in shifts]
        assert [[face["id"] for face in answer["faces"]] for answer in answers] == [[1]] * 6
        places[smooth] = [answer["faces"][0]["box"]["x"] for answer in answers]
    assert places["false"][-1] - places["false"][0] == pytest.approx(12, abs=3)
    assert places["true"][0] == places["false"][0]
    assert places["true"][-1] < places["false"][-1]


def test_text_changes_options_and_wrong_frame_does_not_end_the_stream(service: Running) -> None:
    with stream(service) as connection:
        assert ask(connection, IMAGE)["model"] == "front"
        connection.send('{"model": "yunet", "max_faces": 1}')
        assert ask(connection, IMAGE)["model"] == "yunet"
        for image_bytes, code in ((b"no image", "unsupported_image"), (b"", "empty_image")):
            problem = ask(connection, image_bytes)
            assert problem["code"] == code
            assert problem["type"] == "about:blank"
        assert problem["frame"] == 4
        answer = ask(connection, IMAGE)
        assert (answer["frame"], answer["faces"][0]["id"]) == (5, 1)
        connection.send('{"model": "nobody"}')
        problem = read(connection)
        assert (problem["code"], problem["status"]) == ("bad_option", 422)
        assert "frame" not in problem
        assert read_end(connection) == (1008, "bad_option")


def test_wrong_options_of_the_address_end_the_stream(service: Running) -> None:
    with stream(service, "?model=front&colour=red") as connection:
        assert "unknown option 'colour'" in read(connection)["detail"]
        assert read_end(connection) == (1008, "bad_option")


@dataclass(frozen=True, slots=True)
class HeldService:
    """A service whose only worker is held at each frame."""

    service: Running
    folder: Path

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold the worker until this ends."""
        for name in (BEGUN, MAY_END):
            (self.folder / name).unlink(missing_ok=True)
        try:
            yield
        finally:
            (self.folder / MAY_END).touch()

    def count(self, name: str, **labels: str) -> Callable[[], float]:
        """Return a counter of how much a metric grows from now on."""
        before = self.service.metric(name, **labels)
        return lambda: self.service.metric(name, **labels) - before

    def read_begun(self) -> str:
        path = self.folder / BEGUN
        return path.read_text() if path.exists() else ""


@pytest.fixture(scope="module")
def held(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeldService]:
    folder = tmp_path_factory.mktemp("held")
    program = doubled(command("held", folder))
    with running(program, environment(models_folder), folder / "log") as service:
        yield HeldService(service, folder)
        assert service.log.read_text() == ""


def test_newest_frame_wins(held: HeldService) -> None:
    dropped = held.count(DROPPED)
    frames, pictures = (
        held.count(name, model="auto", outcome="ok") for name in (FRAMES, "phiz_pictures_total")
    )
    with stream(held.service, "?max_faces=7") as connection:
        with held.hold():
            connection.send(SMALL)
            wait_for(lambda: held.read_begun() != "")
            for _ in range(20):
                connection.send(SMALL)
            wait_for(lambda: dropped() == 19)
        first, last = read(connection), read(connection)
        assert (first["frame"], first["dropped"]) == (1, 19)
        assert (last["frame"], last["dropped"]) == (21, 19)
        # Two frames have reached the worker.
        assert held.read_begun() == "7\n7\n"
        with pytest.raises(TimeoutError):
            connection.recv(0.05)
        assert (frames(), pictures()) == (2, 2)
        assert held.service.metric("phiz_streams") == 1


def test_newest_frame_takes_the_place_of_one_that_is_queued(held: HeldService) -> None:
    dropped, service = held.count(DROPPED), held.service
    with stream(service) as connection:
        with held.hold(), service.connect() as other:
            other.sendall(head_of(SMALL) + SMALL)
            wait_for(lambda: held.read_begun() != "")
            connection.send('{"model": "auto"}')
            for _ in range(5):
                connection.send(SMALL)
            wait_for(lambda: dropped() == 4)
            # One of another size is other work, so it waits until that has begun.
            for _ in range(3):
                connection.send(make_grey(61))
            wait_for(lambda: dropped() == 6)
            # It is in nobody's way, until it has waited for long.
            assert httpx.get(f"{service.url}/readyz").is_success
            (held.folder / MAY_END).touch()
            assert received(other).startswith(b"HTTP/1.1 200")
        answers = read(connection), read(connection)
        assert [(answer["frame"], answer["image"]["width"]) for answer in answers] == [
            *((5, 60), (8, 61))
        ]
        assert answers[1]["dropped"] == 6


def test_client_that_leaves_frees_its_worker(held: HeldService) -> None:
    frames, service = held.count(FRAMES), held.service
    with held.hold():
        with stream(service, "") as connection:
            connection.send(SMALL)
            wait_for(lambda: held.read_begun() != "")
            connection.socket.shutdown(socket.SHUT_RDWR)
        wait_for(lambda: service.metric("phiz_streams") == 0)
    wait_for(lambda: service.metric("phiz_queue_wait_seconds") == 0)
    assert frames() == 0


def test_client_that_does_not_read_gets_no_more_answers_nor_keeps_the_service_from_stopping(
    start: Starter,
) -> None:
    with start(PHIZ_DRAIN="0") as service, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(service.address)
        # Each answer has many faces.
        connection.sendall(HANDSHAKE % b"model=yunet&min_score=0.001&max_faces=250&details=all")
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        frame = Frame(Opcode.BINARY, GROUP.read_bytes()).serialize(mask=True)
        idle, answered, dropped = 0.0, 0.0, 0.0
        while idle < 30:
            for _ in range(10):
                connection.sendall(frame)
            last, answered = answered, service.metric(FRAMES)
            last_dropped, dropped = dropped, service.metric(DROPPED)
            idle = idle + dropped - last_dropped if answered == last > 0 else 0.0
        assert 0 < answered < 100
        assert service.stop() == 0
        # The server says that its time to stop was over.
        assert re.fullmatch(r"\S+ error Cancel 1 running task.*\n", service.log.read_text())


def test_frames_of_a_client_that_is_too_quick_do_not_pile_up(guarded: Running) -> None:
    # A decoder ignores what follows the image.
    frame = IMAGE + bytes(10**6)
    with stream(guarded, additional_headers={"X-API-Key": ALICE}) as connection:
        ask(connection, frame)
        before = read_resident_bytes(guarded.process.pid)
        for _ in range(75):
            connection.send(frame)
        wait_for(lambda: read(connection)["frame"] == 76)
        after = read_resident_bytes(guarded.process.pid)
        assert before is not None
        assert after is not None
        assert after - before < 30_000_000


def test_message_above_the_limits_ends_the_stream(service: Running) -> None:
    with stream(service) as connection:
        connection.send(bytes(MAX_FRAME_BYTES + 1))
        assert read_end(connection)[0] == 1009
    with stream(service) as connection:
        connection.send([b""] * (MAX_FRAGMENTS + 2))
        assert read_end(connection) == (1002, "too many fragments")
    with stream(service) as connection:
        connection.send([IMAGE[:1000], IMAGE[1000:]])
        assert read(connection)["frame"] == 1


@pytest.mark.parametrize(
    ("sent", "end"),
    [
        (Frame(Opcode.TEXT, b"\xff"), (1007, b"a text message is not UTF-8")),
        (Frame(Opcode.CONT, b""), (1002, b"unexpected continuation frame")),
        (Frame(Opcode.CLOSE, struct.pack("!H", 999)), (1002, b"invalid status code")),
    ],
)
def test_message_that_is_malformed_ends_the_stream_without_a_line_in_the_log(
    held: HeldService, sent: Frame, end: tuple[int, bytes]
) -> None:
    log = held.service.log
    # The ping and the frame behind it are too late.
    late = Frame(Opcode.PING, b""), Frame(Opcode.BINARY, SMALL)
    with held.service.connect() as connection:
        connection.sendall(HANDSHAKE % b"")
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        connection.sendall(b"".join(each.serialize(mask=True) for each in (sent, *late)))
        code, reason = end
        assert all_received(connection).endswith(struct.pack("!H", code) + reason)
    wait_for(lambda: held.service.metric("phiz_streams") == 0)
    assert log.read_text() == ""


def test_small_messages_do_not_pile_up_nor_outlast_their_client(held: HeldService) -> None:
    service = held.service
    text = Frame(Opcode.TEXT, b"{}").serialize(mask=True)
    with service.connect() as connection:
        connection.sendall(HANDSHAKE % b"")
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        connection.sendall(text * 10 * MAX_WAITING_MESSAGES)
        assert all_received(connection).endswith(
            struct.pack("!H", 1008) + b"too many messages at once"
        )
    wait_for(lambda: service.metric("phiz_streams") == 0)
    with held.hold(), service.connect() as connection:
        connection.sendall(HANDSHAKE % b"")
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        # It is read so slowly that the last texts are not when the client leaves.
        frame = Frame(Opcode.BINARY, SMALL).serialize(mask=True)
        for _ in range(2):
            connection.sendall(frame + text * (MAX_WAITING_MESSAGES - 10))
        wait_for(lambda: held.read_begun() != "")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        wait_for(lambda: service.metric("phiz_streams") == 0)


def test_service_that_stops_answers_the_frame_in_progress(start: Starter, tmp_path: Path) -> None:
    with start.doubled("held") as service, stream(service, "") as busy, stream(service, "") as idle:
        busy.send(SMALL)
        wait_for((tmp_path / BEGUN).exists)
        busy.send(SMALL)
        service.process.terminate()
        assert read_end(idle) == (1001, "the service stops")
        (tmp_path / MAY_END).touch()
        assert read(busy)["frame"] == 1
        assert read_end(busy) == (1001, "the service stops")
        assert service.process.wait(PATIENCE_S) == 0
        assert service.log.read_text() == ""


def test_frame_that_outlasts_the_drain_is_not_answered(start: Starter, tmp_path: Path) -> None:
    with start.doubled("held", drain_s=0) as service, stream(service, "") as connection:
        connection.send(SMALL)
        wait_for((tmp_path / BEGUN).exists)
        service.process.terminate()
        assert read_end(connection)[0] == 1001
        assert service.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in service.log.read_text()


def test_stream_of_a_silent_client_is_closed_when_the_service_stops(
    start: Starter, tmp_path: Path
) -> None:
    with start.doubled("held", drain_s=0) as service, service.connect() as connection:
        connection.sendall(HANDSHAKE % b"")
        assert connection.recv(65536).startswith(b"HTTP/1.1 101 ")
        connection.sendall(Frame(Opcode.BINARY, SMALL).serialize(mask=True))
        wait_for((tmp_path / BEGUN).exists)
        service.process.terminate()  # the client neither reads the end nor closes
        assert service.process.wait(PATIENCE_S) == 0
        assert "Traceback" not in service.log.read_text()


def test_late_frame_is_an_error_and_the_stream_goes_on(start: Starter, tmp_path: Path) -> None:
    with start.doubled("held", deadline_s=0.2) as service, stream(service, "") as connection:
        problem = ask(connection, SMALL)
        assert (problem["code"], problem["frame"]) == ("deadline_exceeded", 1)
        (tmp_path / MAY_END).touch()
        wait_for(lambda: ask(connection, SMALL).get("code") != "deadline_exceeded")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    lines = [
        format_line(ALICE, "alice"),
        format_line(OPERATOR, "operator", ["metrics"]),
        format_line(LATER, "later", rate="1/h"),
    ]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def guarded(
    keys: Path, models_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    env = environment(
        models_folder,
        PHIZ_API_KEYS=str(keys),
        PHIZ_CORS_ORIGINS="https://app.example.org",
        PHIZ_LOG="json",
        PHIZ_STREAMS="2",
    )
    with running(ONE, env, tmp_path_factory.mktemp("streams") / "log") as service:
        yield service


def refuse(service: Running, **arguments: Any) -> tuple[int, str]:
    """The status and the code of a refused stream."""
    with pytest.raises(InvalidStatus) as refused, stream(service, **arguments):
        pass
    response = refused.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body)["code"]


def test_stream_needs_a_key_with_the_scope(guarded: Running) -> None:
    assert refuse(guarded) == (401, "invalid_api_key")
    assert refuse(guarded, subprotocols=["phiz"]) == (401, "invalid_api_key")
    wrong = ["phiz", f"phiz.key.{create_key()}"]
    assert refuse(guarded, subprotocols=wrong) == (401, "invalid_api_key")
    scopeless = {"X-API-Key": OPERATOR}
    assert refuse(guarded, additional_headers=scopeless) == (403, "missing_scope")
    for headers in ({"X-API-Key": ALICE}, {"Authorization": f"Bearer {ALICE}"}):
        with stream(guarded, additional_headers=headers) as connection:
            assert ask(connection, IMAGE)["frame"] == 1


def test_web_page_sends_its_key_as_a_subprotocol_which_nothing_repeats(guarded: Running) -> None:
    with stream(guarded, subprotocols=["phiz", f"phiz.key.{ALICE}"]) as connection:
        assert connection.subprotocol == "phiz"
        assert ask(connection, IMAGE)["frame"] == 1
        assert connection.response is not None
        request_id = connection.response.headers["x-request-id"]
    wait_for(lambda: request_id in guarded.log.read_text())
    log = guarded.log.read_text()
    assert ALICE not in log
    lines = [json.loads(line) for line in log.splitlines()]
    (line,) = [line for line in lines if line.get("request") == request_id]
    fields = ("method", "path", "status", "code", "client", "model", "frames", "bytes_in")
    assert [line[field] for field in fields] == [
        *("GET", "/stream", 101, "ok", "alice", "front", 1),
        len(IMAGE),
    ]


def test_frames_above_the_rate_are_dropped(guarded: Running) -> None:
    # The request for the stream counts too, so no frame is left of this rate.
    with stream(guarded, additional_headers={"X-API-Key": LATER}) as connection:
        before = guarded_metric(guarded, "phiz_frames_dropped_total")
        for _ in range(5):
            connection.send(IMAGE)
        wait_for(lambda: guarded_metric(guarded, "phiz_frames_dropped_total") - before == 4)
        with pytest.raises(TimeoutError):
            connection.recv(0.05)
    assert refuse(guarded, additional_headers={"X-API-Key": LATER}) == (429, "rate_exceeded")


def replace_file(path: Path, text: str) -> None:
    other = path.with_name("new.txt")
    other.write_text(text)
    other.replace(path)


def guarded_metric(service: Running, name: str) -> float:
    text = httpx.get(f"{service.url}/metrics", headers={"X-API-Key": OPERATOR}).text
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(name + " "))


def test_page_of_another_origin_may_not_open_a_stream(guarded: Running) -> None:
    key = {"X-API-Key": ALICE}
    other = "https://evil.example"
    assert refuse(guarded, origin=other, additional_headers=key) == (403, "foreign_origin")
    for origin in (guarded.url, "https://app.example.org", None):
        with stream(guarded, origin=origin, additional_headers=key) as connection:
            assert ask(connection, IMAGE)["frame"] == 1
    levels = {json.loads(line)["level"] for line in guarded.log.read_text().splitlines()}
    assert levels <= {"info", "warning"}  # of the refused ones


def test_stream_beyond_the_limit_is_refused(guarded: Running) -> None:
    key = {"X-API-Key": ALICE}
    wait_for(lambda: guarded_metric(guarded, "phiz_streams") == 0)
    with stream(guarded, additional_headers=key) as first:
        with (
            stream(guarded, additional_headers=key),
            stream(guarded, additional_headers=key) as third,
        ):
            assert read(third)["code"] == "overloaded"
            assert read_end(third) == (1013, "overloaded")
        assert ask(first, IMAGE)["frame"] == 1
    wait_for(lambda: guarded_metric(guarded, "phiz_streams") == 0)
    with stream(guarded, additional_headers=key) as connection:
        assert ask(connection, IMAGE)["frame"] == 1


def test_key_that_is_removed_ends_its_stream(guarded: Running, keys: Path) -> None:
    before = keys.read_text()
    with stream(guarded, additional_headers={"X-API-Key": ALICE}) as connection:
        assert ask(connection, IMAGE)["frame"] == 1
        replace_file(keys, format_line(OPERATOR, "operator", ["metrics"]))
        try:
            wait_for(lambda: ask(connection, IMAGE).get("code") == "invalid_api_key")
            assert read_end(connection) == (1008, "invalid_api_key")
        finally:
            replace_file(keys, before)


def test_request_that_is_no_websocket_is_told_so(service: Running) -> None:
    answer = httpx.get(f"{service.url}/stream?model=front")
    assert (answer.status_code, answer.json()["code"]) == (426, "upgrade_required")
    assert answer.headers["upgrade"] == "websocket"
    key = {"Sec-WebSocket-Key": "short", "Sec-WebSocket-Version": "13"}
    wish = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert httpx.get(f"{service.url}/stream", headers=key | wish).status_code == 426
    # Elsewhere the wish for a WebSocket has no effect.
    assert httpx.get(f"{service.url}/readyz", headers=key | wish).text == "ready\n"


def test_pings_are_answered_and_streams_count_as_connections(service: Running) -> None:
    with stream(service) as connection:
        assert connection.ping(os.urandom(100)).wait(PATIENCE_S)
        assert service.metric("phiz_streams") == 1
    wait_for(lambda: service.metric("phiz_streams") == 0)
