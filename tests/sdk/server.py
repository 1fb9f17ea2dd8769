"""A small real HTTP server, whose answers a test decides."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread

import httpx
import orjson

# Headers of a connection, which are not passed on.
OF_A_CONNECTION = {"connection", "content-length", "date", "host", "server", "transfer-encoding"}


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Serving:
    url: str
    asked: list[Asked]


@contextmanager
def serving(answer: Callable[[Asked], Answer]) -> Iterator[Serving]:
    """A server that gives each request its answer, and keeps what it was asked."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def respond(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked(self.command, self.path, headers, body))
            given = answer(asked[-1])
            self.send_response(given.status)
            for name, value in given.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(given.body)))
            self.end_headers()
            self.wfile.write(given.body)

        do_GET = do_POST = respond  # noqa: N815  the names that it looks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        block_on_close = False  # a client keeps its connections open

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield Serving(f"http://127.0.0.1:{server.server_port}", asked)
        finally:
            server.shutdown()
            thread.join()


def problem(status: int, code: str, detail: str = "a detail", **headers: str) -> Answer:
    """An error as the service answers it; an underscore in a header's name is a dash."""
    body = orjson.dumps({"type": "about:blank", "status": status, "code": code, "detail": detail})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body, {"Content-Type": "application/problem+json", **named})


@contextmanager
def refusing_each_third(url: str, *retry_after: str) -> Iterator[Serving]:
    """A server before another one, which refuses each third request with 503.

    Args:
        url: The other one.
        retry_after: The headers of its refusals, in turn.
    """
    numbers = count(1)
    limits = httpx.Limits(max_connections=16)
    with httpx.Client(base_url=url, limits=limits) as other:

        def answer(asked: Asked) -> Answer:
            number = next(numbers)
            if number % 3 == 0:
                header = retry_after[number // 3 % len(retry_after)]
                return problem(503, "overloaded", "try again", Retry_After=header)
            headers = {
                name: value for name, value in asked.headers.items() if name not in OF_A_CONNECTION
            }
            got = other.request(asked.method, asked.target, headers=headers, content=asked.body)
            passed = {name: got.headers[name] for name in ("content-type", "x-request-id")}
            return Answer(got.status_code, got.content, passed)

        with serving(answer) as served:
            yield served
