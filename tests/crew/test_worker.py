import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from phiz.crew.calls import Call, Decoder, Outcome, Withdrawal, encode
from phiz.crew.worker import READY, Calls

from .doubles import PATIENCE_S, command


class Service:
    """The other end of a worker's socket."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.decoder = Decoder()

    def say(self, *messages: object, picture: bytes = b"") -> None:
        for message in messages:
            self.connection.sendall(b"".join(encode(message, picture)))

    def hear(self) -> Outcome:
        """The next outcome; the worker sends one at a time and then waits."""
        while received := self.connection.recv(1 << 16):
            for outcome, _ in self.decoder.feed(received):
                assert isinstance(outcome, Outcome)
                return outcome
        raise EOFError


@pytest.fixture
def ends() -> Iterator[tuple[Service, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE_S)
        yield Service(ours), theirs


def call(number: int) -> Call:
    return Call(number, "measure", ())


def test_calls_are_taken_in_their_order(ends: tuple[Service, socket.socket]) -> None:
    service, theirs = ends
    service.say(call(1), call(2), picture=b"picture")
    service.say(call(3))
    calls = Calls(theirs)
    taken = [calls.next(), calls.next(), calls.next()]
    assert taken == [(call(1), b"picture"), (call(2), b"picture"), (call(3), b"")]


def test_one_that_is_withdrawn_in_time_is_answered_for_and_not_taken(
    ends: tuple[Service, socket.socket],
) -> None:
    service, theirs = ends
    calls = Calls(theirs)
    service.say(call(1), call(2), call(3), Withdrawal(2))
    assert calls.next() == (call(1), b"")
    assert calls.next() == (call(3), b"")
    assert service.hear() == Outcome(2)


def test_a_withdrawal_that_comes_while_work_is_done_is_seen_before_the_next(
    ends: tuple[Service, socket.socket],
) -> None:
    service, theirs = ends
    calls = Calls(theirs)
    service.say(call(1), call(2), call(3))
    assert calls.next() == (call(1), b"")
    service.say(Withdrawal(2))
    assert calls.next() == (call(3), b"")


def test_a_withdrawal_that_comes_too_late_is_forgotten(
    ends: tuple[Service, socket.socket],
) -> None:
    service, theirs = ends
    calls = Calls(theirs)
    service.say(call(1))
    assert calls.next() == (call(1), b"")
    service.say(Withdrawal(1), call(2))
    assert calls.next() == (call(2), b"")


def test_there_are_no_more_calls_once_the_service_has_gone(
    ends: tuple[Service, socket.socket],
) -> None:
    service, theirs = ends
    service.say(call(1))
    calls = Calls(theirs)
    assert calls.next() is not None
    service.connection.close()
    assert calls.next() is None


def test_a_worker_ends_when_the_service_has_gone(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(PATIENCE_S)
        service = Service(ours)
        with theirs:
            worker = subprocess.Popen(
                [*command("ready", tmp_path), str(theirs.fileno()), "0"],
                pass_fds=[theirs.fileno()],
            )
        assert service.hear() == Outcome(READY, 0)
        service.say(call(1), picture=b"picture")
        assert service.hear().number == 1
    assert worker.wait(PATIENCE_S) == 0


def test_a_worker_whose_service_goes_while_it_prepares_ends_quietly(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        worker = subprocess.Popen(
            [*command("slow", tmp_path), str(theirs.fileno()), "0"],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.PIPE,
        )
    ours.close()
    (tmp_path / "may-be-ready").touch()
    _, complaints = worker.communicate(timeout=PATIENCE_S)
    assert (complaints, worker.returncode) == (b"", 0)


def test_a_worker_works_with_nothing_but_the_errors_and_the_calls() -> None:
    """What it is begun for decides what it loads; its own part is small."""
    program = (
        "import sys, phiz.crew.worker;"
        "sys.exit(any(name in sys.modules for name in ('asyncio', 'numpy', 'fastapi')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
