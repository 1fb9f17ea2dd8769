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
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HOST, Request, open_connection, send_request
from benchmarks.kit.service import list_descendants
from benchmarks.kit.workers import ONE_THREAD
from benchmarks.load.contenders import Contender
from phiz.system.procfs import read_processor_seconds

READY_TIMEOUT_S = 120.0
POLL_INTERVAL_S = 0.1
EXIT_TIMEOUT_S = 15.0
ANSWER_TIMEOUT_S = 10.0
MAX_OUTPUT_CHARS = 2000  # characters of what a server that failed had printed


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: its port of the loopback address, a request, and its answer.

    ``process`` is the one that has begun all its others.
    """

    port: int
    request: Request
    answer: Mapping[str, Any]
    process: int

    def list_processes(self) -> list[int]:
        """Return the ids of all its processes, the one that has begun the others first."""
        return [self.process, *list_descendants(self.process)]

    def read_processor_s(self) -> float:
        """Return the processor time of all its processes so far, s."""
        return sum(read_processor_seconds(process) or 0.0 for process in self.list_processes())


@contextmanager
def start_server(
    contender: Contender,
    image_bytes: bytes,
    cores: frozenset[int],
    environment: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Give a server on some cores that answers an image, and stop it afterwards.

    Raises:
        BenchmarkError: It does not answer.
    """
    port, request = find_free_port(), contender.encode(contender.path, image_bytes)
    arguments = [str(argument).format(port=port) for argument in contender.command]
    with tempfile.TemporaryFile() as output:
        with pin_to(cores):
            # A session of its own: Ctrl+C is for the benchmark, and all its processes can be ended.
            process = subprocess.Popen(  # noqa: S603  our own servers
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **ONE_THREAD, **contender.environment, **(environment or {})},
                start_new_session=True,
            )
        try:
            answer = _wait_for_answer(contender.name, process, port, request, output)
            yield Server(port, request, answer, process.pid)
        finally:
            _stop_process(process)


def find_free_port() -> int:
    """Return a port of the loopback address that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


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
    raise BenchmarkError(
        f"{name} does not answer after {READY_TIMEOUT_S:g} s, or has ended:\n{text}"
    )


def _stop_process(process: subprocess.Popen[bytes]) -> None:
    """End a server with SIGTERM, and then its whole session with SIGKILL."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(EXIT_TIMEOUT_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def check_answer(contender: Contender, faces: Sequence[Any], answer: Mapping[str, Any]) -> None:
    """Check the answer of a server against the faces that phiz finds in the same image.

    Raises:
        BenchmarkError: It has no face; or it has other faces, though the detector is the same.
    """
    found = answer["faces"]
    if not found or (contender.has_same_detector and found != faces):
        raise BenchmarkError(f"{contender.name} finds {found} where phiz finds {faces}")
