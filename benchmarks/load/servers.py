"""Servers as processes: started on a free port, waited for, and ended with all they began."""

import http.client
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any

from benchmarks.kit.cores import pin_to
from benchmarks.kit.errors import LoadError
from benchmarks.kit.requests import HOST, Request, open_connection, send_request
from benchmarks.kit.workers import ONE_THREAD
from benchmarks.load.contenders import Command, Contender

READY_TIMEOUT_S = 120.0
POLL_INTERVAL_S = 0.1
EXIT_TIMEOUT_S = 15.0
ANSWER_TIMEOUT_S = 10.0
MAX_OUTPUT_CHARS = 2000  # characters of what a server that failed had printed


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers.

    Attributes:
        port: Of the loopback address.
        request: What it is sent.
        answer: What it answers to that.
    """

    port: int
    request: Request
    answer: Mapping[str, Any]


@contextmanager
def start_server(
    contender: Contender,
    image_bytes: bytes,
    cores: frozenset[int],
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Give a server that answers, and end it afterwards.

    Args:
        contender: What is started.
        image_bytes: That it is sent.
        cores: That it is kept to, with all processes that it starts.
        environment: More variables of its environment.

    Raises:
        LoadError: It does not come to answer.
    """
    port, request = find_free_port(), contender.build_request(image_bytes)
    with tempfile.TemporaryFile() as output:
        with pin_to(cores):
            variables = {**contender.environment, **(environment or {})}
            process = _start_process(contender.command, port, variables, output)
        try:
            yield Server(
                port, request, _wait_for_answer(contender.name, process, port, request, output)
            )
        finally:
            _stop_process(process)


def find_free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _start_process(
    command: Command, port: int, environment: Mapping[str, str], output: IO[bytes]
) -> subprocess.Popen[bytes]:
    arguments = [str(argument).format(port=port) for argument in command]
    # A session of its own: Ctrl+C is for the benchmark, and what the server leaves can be ended.
    return subprocess.Popen(  # noqa: S603  our own servers
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env={**os.environ, **ONE_THREAD, **environment},
        start_new_session=True,
    )


def _wait_for_answer(
    name: str, process: subprocess.Popen[bytes], port: int, request: Request, output: IO[bytes]
) -> dict[str, Any]:
    """Return the first answer."""
    until = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError, http.client.HTTPException):
            with closing(open_connection(port, ANSWER_TIMEOUT_S)) as connection:
                answer = send_request(connection, request)
            if answer.status == HTTPStatus.OK:
                document: dict[str, Any] = json.loads(answer.body)
                return document
        time.sleep(POLL_INTERVAL_S)
    output.seek(0)
    text = output.read().decode(errors="replace")[-MAX_OUTPUT_CHARS:]
    raise LoadError(f"{name} does not answer after {READY_TIMEOUT_S:g} s, or has ended:\n{text}")


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    """End a server, kindly at first, and then what is left of its session."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(EXIT_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def check_answer(contender: Contender, faces: Sequence[Any], answer: Mapping[str, Any]) -> None:
    """Take the answer of a server for right.

    Args:
        contender: Who answered.
        faces: That phiz finds.
        answer: To the same picture.

    Raises:
        LoadError: There is no face in it; or other faces, though the detector is the same.
    """
    found = answer["faces"]
    if not found or (contender.has_same_detector and found != faces):
        raise LoadError(f"{contender.name} finds {found} where phiz finds {faces}")
