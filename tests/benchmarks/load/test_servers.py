import socket
import sys
import time
from typing import Any

import pytest

from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HOST
from benchmarks.load.contenders import Contender
from benchmarks.load.servers import check_answer, start_server

ANYWHERE: frozenset[int] = frozenset()
PATIENCE_S = 20
FACE = {"score": 0.9}
# Answers every POST, and has begun a process that listens as well.
SERVER = """
import json, socket, subprocess, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

OTHER = '''
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(600)
'''
other = subprocess.Popen([sys.executable, "-c", OTHER], stdout=subprocess.PIPE)
answer = json.dumps({"faces": [], "port": int(other.stdout.readline())}).encode()

class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def contender(script: str, *, same: bool = True) -> Contender:
    # Braces in a command stand for its port.
    command = (sys.executable, "-c", script.replace("{", "{{").replace("}", "}}"), "{port}")
    return Contender("double", "double", command, has_same_detector=same)


def listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port)).close()
    except OSError:
        return False
    return True


def comes_to_end(port: int) -> bool:
    give_up = time.monotonic() + PATIENCE_S
    while listens(port) and time.monotonic() < give_up:
        time.sleep(0.01)
    return not listens(port)


def test_server_is_ended_with_all_its_processes() -> None:
    with start_server(contender(SERVER), b"picture", ANYWHERE) as server:
        ports = (server.port, server.answer["port"])
        assert all(map(listens, ports))
    assert all(map(comes_to_end, ports))


def test_server_is_ended_when_the_benchmark_is_interrupted() -> None:
    starting = start_server(contender(SERVER), b"picture", ANYWHERE)
    server = starting.__enter__()
    ports = (server.port, server.answer["port"])
    interrupt = KeyboardInterrupt()
    assert not starting.__exit__(KeyboardInterrupt, interrupt, None)
    assert all(map(comes_to_end, ports))


def test_server_that_ends_by_itself_is_an_error_with_its_output() -> None:
    failing = contender("import sys; sys.exit('there is no model')")
    with (
        pytest.raises(BenchmarkError, match="there is no model"),
        start_server(failing, b"picture", ANYWHERE),
    ):
        pass


@pytest.mark.parametrize(
    ("same", "faces"),
    [
        pytest.param(True, [FACE], id="the same faces"),
        pytest.param(False, [FACE, FACE], id="other faces from another detector"),
    ],
)
def test_an_answer_that_may_be_timed(
    same: bool,  # noqa: FBT001
    faces: list[Any],
) -> None:
    check_answer(contender("", same=same), [FACE], {"faces": faces})


@pytest.mark.parametrize(
    ("same", "faces"),
    [
        pytest.param(True, [FACE, FACE], id="other faces from the same detector"),
        pytest.param(True, [], id="no faces"),
        pytest.param(False, [], id="no faces from another detector"),
    ],
)
def test_an_answer_that_is_not_worth_a_time(
    same: bool,  # noqa: FBT001
    faces: list[Any],
) -> None:
    with pytest.raises(BenchmarkError, match="double finds"):
        check_answer(contender("", same=same), [FACE], {"faces": faces})
