from collections.abc import Iterator

import pytest

from .server import (
    Page,
    Server,
    answer,
    drip,
    redirect,
    send_endlessly,
    send_repeatedly,
    serving,
    stay_silent,
)

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
PAGES: dict[str, Page] = {
    "/face.png": answer(b"an image"),
    "/chunked": CHUNKED + b"3\r\nan \r\n5\r\nimage\r\n0\r\n\r\n",
    "/without-length": b"HTTP/1.1 200 OK\r\n\r\nan image",
    "/moved": redirect("/face.png"),
    "/moved-permanently": redirect("/face.png", "301 Moved Permanently"),
    "/elsewhere": redirect("//other.example.org/face.png", "307 Temporary Redirect"),
    "/1": redirect("/2"),
    "/2": redirect("/3"),
    "/3": redirect("/moved"),
    "/loop": redirect("/loop"),
    "/to-http": redirect("http://images.example.org/face.png"),
    "/to-file": redirect("file:///etc/passwd"),
    "/to-user": redirect("https://user:word@images.example.org/face.png"),
    "/to-loopback": redirect("https://127.0.0.1/face.png"),
    "/to-decimal": redirect("https://2130706433/face.png"),
    "/to-mapped": redirect("https://[::ffff:127.0.0.1]/face.png"),
    "/to-metadata": redirect("https://169.254.169.254/latest/meta-data"),
    "/to-port": redirect("https://images.example.org:8080/face.png"),
    "/to-private": redirect("https://internal.example.org/face.png"),
    "/to-nothing": answer(b"", status="302 Found"),
    "/created": redirect("/face.png", "201 Created"),
    "/missing": answer(b"not here", status="404 Not Found"),
    "/part": answer(b"an", status="206 Partial Content"),
    "/gzip": answer(b"\x1f\x8b bomb", "content-encoding: gzip"),
    "/identity": answer(b"an image", "content-encoding: identity"),
    "/cookie": redirect("/face.png").replace(b"\r\n\r\n", b"\r\nset-cookie: a=b; path=/\r\n\r\n"),
    "/announced": b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n",
    "/cut": b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nan image",
    "/two-lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 8\r\n\r\nan image",
    "/not-http": b"220 mail.example.org ESMTP\r\n",
    "/endless": send_endlessly,
    "/endless-headers": send_repeatedly(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "/endless-interim": send_repeatedly(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    "/chunk-extensions": send_repeatedly(CHUNKED, b"1;" + b"x" * 1000 + b"\r\nx\r\n"),
    "/endless-trailers": send_repeatedly(CHUNKED + b"1\r\nx\r\n0\r\n", b"x: y\r\n"),
    "/upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    "/interim": b"HTTP/1.1 103 Early Hints\r\ncontent-encoding: gzip\r\n\r\n" + answer(b"an image"),
    "/drip": drip,
    "/silent": stay_silent,
}


@pytest.fixture(scope="package")
def package_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(str(tmp_path_factory.mktemp("tls") / "authority.pem"), PAGES) as server:
        yield server


@pytest.fixture
def server(package_server: Server) -> Server:
    """The server, as if it had answered no request yet."""
    package_server.heads.clear()
    package_server.names.clear()
    return package_server
