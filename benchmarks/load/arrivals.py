"""Open loop: requests that come at a constant rate, however long their answers take.

::

    python -m benchmarks.load.arrivals PORT RATE SECONDS < MESSAGE

It is a process on a core of its own, and waits in a loop: a timer of the system would be up to a
millisecond late, a third of an answer's time. The time of a request begins when it was due, so
that delays by others count too. Prints ``Arrivals`` as JSON.
"""

import json
import selectors
import socket
import sys
import time
from collections import deque
from contextlib import closing
from dataclasses import asdict, dataclass, field

from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import HEAD_END, HOST, is_complete

CHUNK_BYTES = 1 << 18
DRAIN_TIMEOUT_S = 60.0  # for the answers to what was sent last


@dataclass(slots=True)
class Arrivals:
    """The answers to all requests.

    ``answers`` has by status the due time of each request, seconds from the beginning, and its
    duration from then on, ms. ``late_ms`` is the delay of each request after it was due.
    """

    answers: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    lost: int = 0
    late_ms: list[float] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ClientConnection:
    """A connection that does not block, and the request on it, if there is one.

    ``due_s`` is the due time of the request by ``time.perf_counter``.
    """

    connection: socket.socket
    due_s: float | None = None
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytes = b""


class Clients:
    """As many clients as are needed, each with one request at a time."""

    def __init__(self, port: int, message: bytes) -> None:
        self.arrivals = Arrivals()
        self.pending = 0  # that have not been answered
        self._port = port
        self._message = memoryview(message)
        self._selector = selectors.DefaultSelector()
        self._idle: deque[ClientConnection] = deque()
        self._started = time.perf_counter()

    def send_request(self, due: float) -> None:
        """Send a request when it is due, on a connection that is free or on a new one."""
        due += self._started
        while time.perf_counter() < due:
            self.poll()
        self.arrivals.late_ms.append(1000 * (time.perf_counter() - due))
        self._begin_request(due)

    def send_until_answered(self, count: int, seconds: float) -> None:
        """Keep so many requests open for some seconds, and wait for the last answers.

        This is a closed loop. It does not spin, so that it may share a core with a server.
        """
        end_s = time.perf_counter() + seconds
        while (now_s := time.perf_counter()) < end_s:
            while self.pending < count:
                self._begin_request(time.perf_counter())
            self.poll(end_s - now_s)
        self.drain()

    def drain(self) -> None:
        """Wait for all answers, or count those as lost that do not come."""
        end_s = time.perf_counter() + DRAIN_TIMEOUT_S
        while self.pending and (left_s := end_s - time.perf_counter()) > 0:
            self.poll(left_s)
        self.arrivals.lost += self.pending
        self.pending = 0

    def _begin_request(self, due: float) -> None:
        exchange = self._idle.pop() if self._idle else self._connect()
        exchange.due_s, exchange.unsent, exchange.received = due, self._message, b""
        self.pending += 1
        self._send(exchange)

    def poll(self, timeout_s: float = 0.0) -> None:
        """Read and write on all connections that are ready, or will be soon."""
        for key, events in self._selector.select(timeout_s):
            exchange: ClientConnection = key.data
            if events & selectors.EVENT_READ:
                self._receive(exchange)
            elif exchange.unsent:
                self._send(exchange)

    def close(self) -> None:
        """Close all connections."""
        for key in [*self._selector.get_map().values()]:
            self._close_connection(key.data)
        self._selector.close()

    def _connect(self) -> ClientConnection:
        connection = socket.create_connection((HOST, self._port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        exchange = ClientConnection(connection)
        self._selector.register(connection, selectors.EVENT_READ, exchange)
        return exchange

    def _send(self, exchange: ClientConnection) -> None:
        watched = selectors.EVENT_READ
        try:
            while exchange.unsent:
                exchange.unsent = exchange.unsent[exchange.connection.send(exchange.unsent) :]
        except BlockingIOError:
            watched |= selectors.EVENT_WRITE
        except OSError:  # closed; an answer from before that is read next
            exchange.unsent = memoryview(b"")
        self._selector.modify(exchange.connection, watched, exchange)

    def _receive(self, exchange: ClientConnection) -> None:
        try:
            chunk = exchange.connection.recv(CHUNK_BYTES)
        except OSError:
            chunk = b""
        exchange.received += chunk
        if exchange.due_s is None:  # the server has closed an unused connection
            self._idle.remove(exchange)
            self._close_connection(exchange)
        elif is_complete(exchange.received):
            self._record_answer(exchange, exchange.due_s)
        elif not chunk:
            self.arrivals.lost += 1
            self.pending -= 1
            self._close_connection(exchange)

    def _record_answer(self, exchange: ClientConnection, due: float) -> None:
        took_ms = 1000 * (time.perf_counter() - due)
        head = exchange.received.partition(HEAD_END)[0].lower()
        answers = self.arrivals.answers.setdefault(int(head.split()[1]), [])
        answers.append((due - self._started, took_ms))
        self.pending -= 1
        if exchange.unsent or b"connection: close" in head:
            self._close_connection(exchange)
        else:
            exchange.due_s = None
            self._idle.append(exchange)

    def _close_connection(self, exchange: ClientConnection) -> None:
        self._selector.unregister(exchange.connection)
        exchange.connection.close()


def send_at_rate(port: int, message: bytes, rate: float, seconds: float) -> Arrivals:
    """Return the answers to requests at a constant rate, requests a second."""
    with closing(Clients(port, message)) as clients:
        for number in range(int(rate * seconds)):
            clients.send_request(number / rate)
            clients.poll()
        clients.drain()
        return clients.arrivals


if __name__ == "__main__":
    number, rate, seconds = sys.argv[1:]
    try:
        done = send_at_rate(int(number), sys.stdin.buffer.read(), float(rate), float(seconds))
    except (BenchmarkError, OSError) as error:
        sys.exit(str(error))
    print(json.dumps(asdict(done)))
