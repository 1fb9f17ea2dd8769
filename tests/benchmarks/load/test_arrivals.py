import itertools
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from benchmarks.kit.requests import HOST, Request
from benchmarks.load.arrivals import Arrivals, send_at_rate

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
FULL = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nConnection: close\r\n\r\n"
NOTHING = b""
LARGE = 4_000_000  # bytes; more than a connection takes at once


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, answers: Iterator[bytes], size: int, read_before: int) -> None:
        super().__init__((HOST, 0), Connection)
        self.answers = answers
        self.size = size
        self.read_before = read_before
        self.connections = 0
        self.answered: list[bytes] = []

    def handle_error(self, *_: object) -> None:
        """A client that leaves is no error here."""


class Connection(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        before, size = self.server.read_before, self.server.size
        self.server.connections += 1
        while len(self.rfile.read(before)) == before:
            answer = next(self.server.answers)
            self.server.answered.append(answer)
            self.wfile.write(answer)
            if len(self.rfile.read(size - before)) < size - before or answer in {LAST, NOTHING}:
                return


@contextmanager
def serving(answers: Iterable[bytes], size: int, read_before: int) -> Iterator[Server]:
    with Server(itertools.cycle(answers), size, read_before) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def sent(
    answers: Iterable[bytes], size: int = 1000, *, early: bool = False
) -> tuple[Arrivals, Server]:
    """Return the answers to ten requests in a tenth of a second, and their server."""
    message = Request("/", "image/jpeg", bytes(size)).to_message(80)
    with serving(answers, len(message), 1 if early else len(message)) as server:
        port: int = server.server_address[1]
        return send_at_rate(port, message, rate=100, seconds=0.1), server


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        pytest.param([OK], {200: 10}, id="with success"),
        pytest.param([OK, FULL], {200: 5, 503: 5}, id="some are refused"),
        pytest.param([LAST], {200: 10}, id="a connection for each"),
    ],
)
def test_each_request_is_counted_by_what_is_answered(
    answers: list[bytes], expected: dict[int, int]
) -> None:
    arrivals, _ = sent(answers)
    assert {status: len(each) for status, each in arrivals.answers.items()} == expected
    assert arrivals.lost == 0


def test_a_connection_is_kept_for_the_next_request() -> None:
    arrivals, server = sent([OK])
    assert server.connections < len(arrivals.answers[200])


def test_a_connection_that_is_closed_is_replaced() -> None:
    _, server = sent([LAST])
    assert server.connections == 10


def test_request_without_an_answer_is_lost() -> None:
    arrivals, _ = sent([NOTHING])
    assert (arrivals.lost, arrivals.answers) == (10, {})


def test_a_large_body_is_sent_in_pieces() -> None:
    arrivals, _ = sent([OK], LARGE)
    assert (len(arrivals.answers[200]), arrivals.lost) == (10, 0)


def test_an_answer_may_come_before_all_is_sent() -> None:
    arrivals, _ = sent([FULL], LARGE, early=True)
    assert (len(arrivals.answers[503]), arrivals.lost) == (10, 0)


def test_requests_are_due_at_a_constant_rate() -> None:
    arrivals, _ = sent([OK])
    due = sorted(due for due, _ in arrivals.answers[200])
    assert due == pytest.approx([number / 100 for number in range(10)])
