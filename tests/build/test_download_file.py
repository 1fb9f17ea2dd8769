"""Files at an address, from a server on this machine whose certificate the test vouches for."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from phiz.build.download import download_file
from phiz.cards import Download
from phiz.errors import SourceError

CONTENT = bytes(range(256)) * 4000  # more than one part


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and what it was asked for."""

    url: str
    asked: list[str] = field(default_factory=list)

    def file(self, name: str, size_bytes: int = len(CONTENT)) -> Download:
        return Download(f"{self.url}/{name}", "0" * 64, size_bytes)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    assert openssl, "openssl is missing; Debian has it in the package openssl"
    path = tmp_path_factory.mktemp("https") / "certificate.pem"
    command = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command += ["-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def place(certificate: Path) -> Iterator[Place]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/file")
                self.end_headers()
                return
            if self.path != "/file":
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(CONTENT)))
            self.end_headers()
            self.wfile.write(CONTENT)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("localhost", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Place(f"https://localhost:{server.server_port}", asked)
        server.shutdown()
        thread.join()


@pytest.fixture
def _trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.with_suffix(".crt")))


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize("name", ["file", "moved"])
def test_a_file_is_downloaded_and_told_while_it_comes(
    name: str, place: Place, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    path = tmp_path / "copy"
    download_file(place.file(name), path, lambda *progress: told.append(progress))
    assert path.read_bytes() == CONTENT
    assert len(told) > 1
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


@pytest.mark.usefixtures("_trusted")
@pytest.mark.parametrize(
    ("name", "size_bytes", "complaint"),
    [
        ("nothing", len(CONTENT), "404"),
        ("file", 1000, "has more than 1000 bytes"),
    ],
)
def test_what_cannot_be_had_says_what_to_do(
    name: str, size_bytes: int, complaint: str, place: Place, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match=complaint):
        download_file(place.file(name, size_bytes), tmp_path / "copy")
    assert place.asked == [f"/{name}"]


def test_a_server_that_nobody_vouches_for_is_not_believed(place: Place, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"CERTIFICATE_VERIFY_FAILED.*PHIZ_MODEL_FILES"):
        download_file(place.file("file"), tmp_path / "copy")
    assert place.asked == []


@pytest.mark.usefixtures("_trusted")
def test_a_server_that_is_not_there_is_named(place: Place, tmp_path: Path) -> None:
    gone = Download("https://localhost:1/file", "0" * 64, 1)
    with pytest.raises(SourceError, match=r"https://localhost:1/file could not .* --from"):
        download_file(gone, tmp_path / "copy")
    assert place.asked == []
