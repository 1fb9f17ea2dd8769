"""One client with a bare socket: how much longer it waits than the service says it took."""

import json
import socket
import time
from statistics import median

from benchmarks.kit.cores import pin_to
from benchmarks.kit.errors import LoadError
from benchmarks.kit.requests import HOST
from benchmarks.load.servers import Server

HEAD_END = b"\r\n\r\n"
LENGTH_FIELD = b"content-length:"
CHUNK_BYTES = 1 << 16
WARM_UP = 50


def measure_excess_ms(server: Server, requests: int, cores: frozenset[int]) -> float:
    """Return the median of what the client's time has beyond ``timing_ms.total``.

    The client's time is from before the first byte is sent to the last byte of the answer.

    Args:
        server: phiz.
        requests: That count.
        cores: That the client is kept to.

    Raises:
        LoadError: The connection was closed.
    """
    message = server.request.to_message(server.port)
    with pin_to(cores), socket.create_connection((HOST, server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        taken = [_send_request(connection, message) for _ in range(WARM_UP + requests)]
    return median(1000 * seconds - parse_total_ms(body) for seconds, body in taken[WARM_UP:])


def parse_total_ms(body: bytes) -> float:
    """Return what an answer says that it took."""
    total: float = json.loads(body)["timing_ms"]["total"]
    return total


def _send_request(connection: socket.socket, message: bytes) -> tuple[float, bytes]:
    """Return the seconds until an answer was there, and its body."""
    started = time.perf_counter()
    connection.sendall(message)
    received = b""
    while not is_complete(received):
        chunk = connection.recv(CHUNK_BYTES)
        if not chunk:
            raise LoadError("the service closed the connection of a client that keeps it")
        received += chunk
    seconds = time.perf_counter() - started
    return seconds, received.partition(HEAD_END)[2]


def is_complete(received: bytes) -> bool:
    """Return whether all of an answer is there, whose head tells its length."""
    head, end, body = received.partition(HEAD_END)
    return bool(end) and len(body) >= parse_content_length(head)


def parse_content_length(head: bytes) -> int:
    """Return the length of a body by its head.

    Raises:
        LoadError: It is not told.
    """
    for line in head.split(b"\r\n"):
        if line.lower().startswith(LENGTH_FIELD):
            return int(line[len(LENGTH_FIELD) :])
    raise LoadError(f"the answer does not tell its length: {head!r}")
