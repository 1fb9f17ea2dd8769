import socket
import subprocess
import sys
from threading import Thread

import pytest

from .metrics import ROOT

READY = ROOT / "deploy" / "image" / "ready.py"


def ask(port: int) -> int:
    command = [sys.executable, "-I", str(READY)]
    return subprocess.run(command, env={"PHIZ_PORT": str(port)}, check=False).returncode


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\nready\n", 0, id="ready"),
        pytest.param(b"HTTP/1.1 503 Service Unavailable\r\n\r\n", 1, id="not-ready"),
        pytest.param(b"", 1, id="closed"),
    ],
)
def test_a_container_is_healthy_if_it_answers_that_it_is_ready(
    answer: bytes, expected: int
) -> None:
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(1024))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Thread(target=serve, args=(listener,))
        server.start()
        assert ask(listener.getsockname()[1]) == expected
        server.join()
    assert asked == [b"GET /readyz HTTP/1.0\r\n\r\n"]


def test_a_container_is_not_healthy_if_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ask(port) == 1
