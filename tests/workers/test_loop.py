import json
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phiz.errors import ModelCorruptError, WorkerFaultError
from phiz.workers.loop import READY_NUMBER, is_never_batchable
from phiz.workers.protocol import (
    Message,
    MessageDecoder,
    WorkCancel,
    WorkRequest,
    WorkResult,
    encode_message,
)
from phiz.workers.reader import MAX_BATCH, RequestReader

from .doubles import LOAD_S, PATIENCE_S, command


class Service:
    """The other end of a worker's socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.decoder = MessageDecoder()
        self.heard: deque[WorkResult] = deque()

    def say(self, *messages: Message, image_bytes: bytes = b"") -> None:
        for message in messages:
            self.connection.sendall(b"".join(encode_message(message, image_bytes)))

    def hear(self) -> WorkResult:
        """The next outcome."""
        while not self.heard:
            received = self.connection.recv(1 << 16)
            if not received:
                raise EOFError
            for result, _ in self.decoder.feed(received):
                assert isinstance(result, WorkResult)
                self.heard.append(result)
        return self.heard.popleft()


Start = Callable[[str], subprocess.Popen[bytes]]
Ends = tuple[Service, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE_S)
        yield Service(ours), theirs


@pytest.fixture
def service(ends: Ends) -> Service:
    return ends[0]


@pytest.fixture
def reader(ends: Ends) -> RequestReader:
    return RequestReader(ends[1], is_never_batchable, rest)


@pytest.fixture
def start(ends: Ends, tmp_path: Path) -> Start:
    """Starts a worker as the other end."""

    def start(mode: str) -> subprocess.Popen[bytes]:
        with ends[1] as theirs:
            return subprocess.Popen(
                [*command(mode, tmp_path), str(theirs.fileno()), "0"],
                pass_fds=[theirs.fileno()],
                stdout=subprocess.PIPE,  # has its log
                stderr=subprocess.STDOUT,
            )

    return start


def end(worker: subprocess.Popen[bytes]) -> bytes:
    """Return what a worker has said on standard error once it has ended, with success."""
    said, _ = worker.communicate(timeout=PATIENCE_S)
    assert worker.returncode == 0
    return said


def call(number: int) -> WorkRequest:
    return WorkRequest(number, "measure", ())


def rest() -> None:
    """What is done while there is nothing to do."""


def test_calls_are_taken_in_their_order(service: Service, reader: RequestReader) -> None:
    service.say(call(1), call(2), image_bytes=b"picture")
    service.say(call(3))
    taken = [reader.read_batch(), reader.read_batch(), reader.read_batch()]
    assert taken == [[(call(1), b"picture")], [(call(2), b"picture")], [(call(3), b"")]]


def test_request_cancelled_in_time_is_answered_for_and_not_taken(
    service: Service, reader: RequestReader
) -> None:
    service.say(call(1), call(2), call(3), WorkCancel(2))
    assert reader.read_batch() == [(call(1), b"")]
    assert reader.read_batch() == [(call(3), b"")]
    assert service.hear() == WorkResult(2)


def test_a_withdrawal_that_comes_while_work_is_done_is_seen_before_the_next(
    service: Service, reader: RequestReader
) -> None:
    service.say(call(1), call(2), call(3))
    assert reader.read_batch() == [(call(1), b"")]
    service.say(WorkCancel(2))
    assert reader.read_batch() == [(call(3), b"")]


def test_a_withdrawal_that_comes_too_late_is_forgotten(
    service: Service, reader: RequestReader
) -> None:
    service.say(call(1))
    assert reader.read_batch() == [(call(1), b"")]
    service.say(WorkCancel(1), call(2))
    assert reader.read_batch() == [(call(2), b"")]


def test_no_requests_are_read_once_the_service_has_gone(
    service: Service, reader: RequestReader
) -> None:
    service.say(call(1))
    assert reader.read_batch() == [(call(1), b"")]
    service.connection.close()
    assert reader.read_batch() == []


def test_batchable_requests_are_taken_together_and_no_others(ends: Ends) -> None:
    service, theirs = ends
    reader = RequestReader(
        theirs,
        lambda request, image_bytes: request.handler == "measure" and image_bytes == b"small",
        rest,
    )
    lone = call(4)._replace(exclusive=True)
    service.say(call(1), call(2), call(3), lone, call(5), image_bytes=b"small")
    service.say(call(6), image_bytes=b"large")
    service.say(call(7), call(8), image_bytes=b"small")
    service.say(WorkCancel(3), WorkCancel(7))
    taken = [[request.number for request, _ in reader.read_batch()] for _ in range(5)]
    assert taken == [[1, 2], [4], [5], [6], [8]]
    assert [service.hear(), service.hear()] == [WorkResult(3), WorkResult(7)]


def test_no_more_are_taken_together_than_may(ends: Ends) -> None:
    service, theirs = ends
    reader = RequestReader(theirs, lambda *_: True, rest)
    service.say(*map(call, range(MAX_BATCH + 3)))
    assert [len(reader.read_batch()), len(reader.read_batch())] == [MAX_BATCH, 3]


def test_reader_calls_back_when_nothing_has_come_for_a_while(ends: Ends) -> None:
    service, theirs = ends
    idle: list[int] = []

    def come() -> None:
        idle.append(len(idle))
        if len(idle) == 2:
            service.say(call(1), call(2))

    reader = RequestReader(theirs, is_never_batchable, come)
    assert [reader.read_batch(), reader.read_batch()] == [[(call(1), b"")], [(call(2), b"")]]
    assert idle == [0, 1]


def test_a_worker_ends_when_the_service_has_gone(service: Service, start: Start) -> None:
    worker = start("ready")
    assert service.hear() == WorkResult(READY_NUMBER, 0)
    service.say(call(1), image_bytes=b"picture")
    assert service.hear().number == 1
    service.connection.close()
    assert end(worker) == b""


def test_a_worker_is_ready_before_it_does_what_nobody_waits_for(
    service: Service, start: Start, tmp_path: Path
) -> None:
    worker = start("measuring")
    assert service.hear() == WorkResult(READY_NUMBER, 0)
    service.say(call(1))
    (tmp_path / "may-go-on").touch()
    assert service.hear().number == 1
    service.connection.close()
    assert end(worker) == b""


def test_a_worker_whose_service_goes_while_it_prepares_ends_quietly(
    service: Service, start: Start, tmp_path: Path
) -> None:
    worker = start("slow")
    service.connection.close()
    (tmp_path / "may-be-ready").touch()
    assert end(worker) == b""


def test_a_worker_works_with_nothing_but_the_errors_and_the_calls() -> None:
    """What it is begun for decides what it loads; its own part is small."""
    program = (
        "import sys, phiz.workers.loop;"
        "sys.exit(any(name in sys.modules for name in ('asyncio', 'numpy', 'fastapi')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_failed_task_is_logged_with_its_request_id(service: Service, start: Start) -> None:
    worker = start("ready")
    assert service.hear().number == READY_NUMBER
    service.say(WorkRequest(1, "fail", (ZeroDivisionError("by nothing"),), request_id="a-request"))
    assert isinstance(service.hear().error, WorkerFaultError)
    service.connection.close()
    told = json.loads(end(worker))
    assert (told["level"], told["request"]) == ("error", "a-request")
    assert told["message"] == "the request 'fail' failed"
    assert told["traceback"].endswith("ZeroDivisionError: by nothing")


def test_time_of_work_is_without_what_is_loaded_for_it(service: Service, start: Start) -> None:
    worker = start("loading")
    assert service.hear().number == READY_NUMBER
    before = time.monotonic()
    service.say(call(1), image_bytes=b"picture")
    result = service.hear()
    assert result.value is not None
    assert result.work_s < LOAD_S < time.monotonic() - before
    service.connection.close()
    assert end(worker) == b""


def test_error_of_a_loader_is_that_of_the_request(service: Service, start: Start) -> None:
    worker = start("unable")
    assert service.hear().number == READY_NUMBER
    service.say(call(1))
    error = service.hear().error
    assert isinstance(error, ModelCorruptError)
    assert str(error) == "mobilenet.onnx is another file"
    service.connection.close()
    assert end(worker) == b""
