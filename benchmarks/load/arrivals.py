"""Open loop: requests that come at a constant rate, however long their answers take.

::

    python -m benchmarks.load.arrivals PORT RATE SECONDS < MESSAGE

It is a process of its own, on a core of its own, which it does not leave while it waits: a
timer of the system would come up to a millisecond late, a third of an answer's time. Each
request counts from the moment it was due, so that what comes late because of others counts
too. Prints ``Arrivals`` as JSON.
"""

import json
import selectors
import socket
import sys
import time
from collections import deque
from contextlib import closing
from dataclasses import asdict, dataclass, field

from benchmarks.kit.errors import LoadError
from benchmarks.kit.requests import HOST
from benchmarks.load.single import HEAD_END, is_complete

CHUNK_BYTES = 1 << 18
DRAIN_TIMEOUT_S = 10.0  # for the answers to what was sent last


@dataclass(slots=True)
class Arrivals:
    """What became of all requests.

    Attributes:
        answers: By status, of each answer: when its request was due, seconds from the beginning,
            and how long it took from then on, ms.
        lost: Requests that were never answered.
        late_ms: How long after it was due each request was begun.
    """

    answers: dict[int, list[tuple[float, float]]] = field(default_factory=dict)
    lost: int = 0
    late_ms: list[float] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class ClientConnection:
    """A connection, and the request on it, if there is one.

    Attributes:
        connection: Never waited for.
        due_s: When the request was, by ``time.perf_counter``; None while there is none.
        unsent: What is not sent yet.
        received: Of the answer.
    """

    connection: socket.socket
    due_s: float | None = None
    unsent: memoryview = field(default_factory=lambda: memoryview(b""))
    received: bytes = b""


class Clients:
    """As many clients as are needed, each with one request at a time."""

    __slots__ = ("_idle", "_message", "_port", "_selector", "_started", "arrivals", "pending")

    def __init__(self, port: int, message: bytes) -> None:
        """Connect none yet.

        Args:
            port: Of the server.
            message: Head and body of each request.
        """
        self.arrivals = Arrivals()
        self.pending = 0  # that have not been answered
        self._port = port
        self._message = memoryview(message)
        self._selector = selectors.DefaultSelector()
        self._idle: deque[ClientConnection] = deque()
        self._started = time.perf_counter()

    def run_until(self, due: float) -> None:
        """Go on with what has been sent until a request is due."""
        while time.perf_counter() < self._started + due:
            self.poll()

    def send_request(self, due: float) -> None:
        """Send a request on a connection that is free, or on a new one."""
        due += self._started
        self.arrivals.late_ms.append(1000 * (time.perf_counter() - due))
        exchange = self._idle.pop() if self._idle else self._connect()
        exchange.due_s, exchange.unsent, exchange.received = due, self._message, b""
        self.pending += 1
        self._send(exchange)

    def poll(self) -> None:
        """Go on with all that can be gone on with now."""
        for key, events in self._selector.select(0):
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
        except OSError:  # closed; what was answered before that is read next
            exchange.unsent = memoryview(b"")
        self._selector.modify(exchange.connection, watched, exchange)

    def _receive(self, exchange: ClientConnection) -> None:
        try:
            chunk = exchange.connection.recv(CHUNK_BYTES)
        except OSError:
            chunk = b""
        exchange.received += chunk
        if exchange.due_s is None:  # the server has closed what nobody used
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
    """Return what became of the requests of so many seconds.

    Args:
        port: Of the server.
        message: Head and body of each request.
        rate: Requests a second.
        seconds: That they come for.
    """
    with closing(Clients(port, message)) as clients:
        for number in range(int(rate * seconds)):
            clients.run_until(number / rate)
            clients.send_request(number / rate)
            clients.poll()
        until = time.perf_counter() + DRAIN_TIMEOUT_S
        while clients.pending and time.perf_counter() < until:
            clients.poll()
        clients.arrivals.lost += clients.pending
        return clients.arrivals


if __name__ == "__main__":
    number, rate, seconds = sys.argv[1:]
    try:
        done = send_at_rate(int(number), sys.stdin.buffer.read(), float(rate), float(seconds))
    except (LoadError, OSError) as error:
        sys.exit(str(error))
    print(json.dumps(asdict(done)))
