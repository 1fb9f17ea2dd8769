"""A real server of https on loopback, whose pages are the bytes that it sends."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer

import trustme

Page = bytes | Callable[[ssl.SSLSocket], None]
NAMES = ("localhost", "127.0.0.1", "images.example.org", "other.example.org", "images.internal")


def answer(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """One answer with its length."""
    lines = (f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return answer(b"", f"location: {location}", status=status)


def send_endlessly(connection: ssl.SSLSocket) -> None:
    """A body in chunks, without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")


def send_repeatedly(first: bytes, rest: bytes) -> Page:
    """Return a page that begins in one way, and goes on with the same for ever."""

    def send(connection: ssl.SSLSocket) -> None:
        connection.sendall(first)
        block = rest * (1 + 10_000 // len(rest))
        while True:
            connection.sendall(block)

    return send


def drip(connection: ssl.SSLSocket) -> None:
    """One byte after the other, each within every timeout of a read."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def stay_silent(connection: ssl.SSLSocket) -> None:
    connection.recv(1)  # until the client leaves


@dataclass(slots=True)
class Server:
    """The server.

    Attributes:
        port: Its port on 127.0.0.1.
        pages: What it sends, by path.
        authority: File of the authority that signed its certificate.
        heads: The requests, as they came.
        names: The name in each handshake (SNI).
        left: The number of connections that have ended.
    """

    port: int
    pages: dict[str, Page]
    authority: str
    heads: list[str] = field(default_factory=list)
    names: list[str | None] = field(default_factory=list)
    left: int = 0

    @property
    def paths(self) -> list[str]:
        return [head.split()[1] for head in self.heads]


@contextmanager
def serving(authority_file: str, pages: Mapping[str, Page]) -> Iterator[Server]:
    """Serve pages with a certificate for the names, until the end of the block."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(authority_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*NAMES).configure_cert(context)

    server = Server(0, dict(pages), authority_file)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):  # a client that refuses the certificate, or that leaves
                self.request.settimeout(20)
                with context.wrap_socket(self.request, server_side=True) as connection:
                    self.answer(connection)
                    connection.unwrap()
            server.left += 1

        def answer(self, connection: ssl.SSLSocket) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                if not (received := connection.recv(65536)):
                    return
                head += received
            server.heads.append(head.decode())
            page = server.pages[server.paths[-1].partition("?")[0]]
            if isinstance(page, bytes):
                connection.sendall(page)
            else:
                page(connection)

    context.sni_callback = lambda _, name, __: server.names.append(name)
    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        server.port = listener.server_address[1]
        serve = threading.Thread(target=listener.serve_forever, args=(0.01,), daemon=True)
        serve.start()
        try:
            yield server
        finally:
            listener.shutdown()
            serve.join()
