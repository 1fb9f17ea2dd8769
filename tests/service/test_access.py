"""Keys, rates, the metrics port and the headers of a real service."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from phiz.api.security.keys import create_key, format_line, hash_key
from tests.tools import program

from .running import (
    IMAGE,
    ONE,
    PATIENCE_S,
    Running,
    Starter,
    all_received,
    environment,
    running,
    wait_for,
)
from .test_starting import fails

pytestmark = pytest.mark.integration

ALICE, OPERATOR, LATER = create_key(), create_key(), create_key()
LINES = "\n".join(
    (
        "# those of the tests",
        format_line(ALICE, "alice", rate="3/h"),
        format_line(OPERATOR, "operator", ["metrics", "docs"]),
    )
)
PNG = {"content-type": "image/png"}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys.txt"
    path.write_text(LINES)
    return path


@pytest.fixture(scope="module")
def guarded(
    keys: Path, models_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One with keys, which logs everything."""
    env = environment(models_folder, PHIZ_API_KEYS=str(keys), PHIZ_LOG="json")
    with running(ONE, env, tmp_path_factory.mktemp("access") / "log") as service:
        yield service


def test_key_is_needed_for_all_but_probes(guarded: Running) -> None:
    with httpx.Client(base_url=guarded.url, timeout=PATIENCE_S) as http:
        for path in (
            "/",
            "/page/main.js",
            "/models",
            "/metrics",
            "/docs",
            "/docs/swagger-ui.css",
            "/x",
        ):
            answer = http.get(path)
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["www-authenticate"].startswith('Bearer realm="phiz"')
        for path in ("/healthz", "/readyz"):
            assert http.get(path).status_code == 200
        assert http.get("/models", headers={"X-API-Key": ALICE}).is_success
        assert http.get("/metrics", headers={"X-API-Key": ALICE}).status_code == 403
        assert http.get("/metrics", headers={"Authorization": f"Bearer {OPERATOR}"}).is_success
        for path in ("/", "/page/main.js", "/favicon.ico", "/docs/swagger-ui.css"):
            assert http.get(path, auth=("anyone", OPERATOR)).is_success
            assert http.get(path, headers={"X-API-Key": ALICE}).status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize(
    "target",
    [
        *("//detect", "/detect/", "/%64etect", "/./detect", "/x/../detect", "/detect%2f", "*"),
        *("/docs/", "/docs/../metrics", "/%6detrics", "http://x/metrics", "/METRICS"),
        *("/healthz/", "/healthz;x", "/healthz%3f", "/healthz/../detect", "/readyz//"),
    ],
)
def test_no_spelling_of_an_address_needs_no_key(guarded: Running, method: str, target: str) -> None:
    with guarded.connect() as connection:
        connection.sendall(f"{method} {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")


def test_refused_body_is_not_read(guarded: Running) -> None:
    head = b"POST /detect HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n"
    with guarded.connect() as connection:
        connection.sendall(head)  # and nothing of the body
        answer = all_received(connection)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"connection: close" in answer.lower()


def test_rate_of_a_key_counts_each_image_of_a_batch(start: Starter, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(LINES)
    with start(PHIZ_API_KEYS=str(tmp_path / "keys")) as service:
        headers = {"X-API-Key": ALICE}
        images = [("image", IMAGE)] * 2
        batch = httpx.post(f"{service.url}/detect/batch?model=front", files=images, headers=headers)
        single = httpx.post(f"{service.url}/detect?model=front", files=images[:1], headers=headers)
        refused = httpx.post(f"{service.url}/detect?model=front", files=images[:1], headers=headers)
        assert [batch.status_code, single.status_code, refused.status_code] == [200, 200, 429]
        assert refused.json()["code"] == "rate_exceeded"
        assert int(refused.headers["retry-after"]) == pytest.approx(1200, abs=60)
        other = httpx.get(f"{service.url}/metrics", headers={"X-API-Key": OPERATOR})
        assert 'phiz_rejected_total{reason="rate_exceeded"} 1.0' in other.text


def test_rate_without_keys_is_that_of_the_address(start: Starter) -> None:
    with start(PHIZ_RATE="1/h burst=2") as service:
        statuses = [httpx.get(f"{service.url}/models").status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert httpx.get(f"{service.url}/readyz").is_success


def test_new_key_works_without_a_restart_and_a_removed_one_does_not(
    guarded: Running, keys: Path
) -> None:
    def status(key: str) -> int:
        return httpx.get(f"{guarded.url}/docs", headers={"X-API-Key": key}).status_code

    assert (status(OPERATOR), status(LATER)) == (200, 401)
    keys.write_text(format_line(LATER, "later", ["docs"]))
    wait_for(lambda: status(LATER) == 200)
    assert status(OPERATOR) == 401
    keys.write_text(f"later {LATER}")  # the key instead of its line
    time.sleep(1.1)
    assert status(LATER) == 200
    keys.write_text(LINES)
    wait_for(lambda: status(OPERATOR) == 200)


def test_log_has_the_name_of_a_key_and_neither_key_nor_hash(guarded: Running) -> None:
    for key in (ALICE, LATER):
        httpx.get(f"{guarded.url}/models", headers={"X-API-Key": key})
    httpx.get(f"{guarded.url}/models?key={ALICE}", headers={"Authorization": f"Bearer {ALICE}"})
    text = guarded.log.read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert "alice" in {line.get("client") for line in lines}
    refused = [line for line in lines if line.get("code") == "invalid_api_key"]
    assert refused
    assert not any("client" in line for line in refused)
    for key in (ALICE, OPERATOR, LATER):
        assert key not in text
        assert hash_key(key.encode()).hex() not in text


@pytest.mark.parametrize("value", [ALICE, f"a {ALICE};sha256:"], ids=["key", "list"])
def test_unusable_keys_fail_the_start_and_are_not_shown(models_folder: Path, value: str) -> None:
    error = fails(environment(models_folder, PHIZ_API_KEYS=value))
    assert "PHIZ_API_KEYS" in error
    assert ALICE not in error


def test_unusable_rate_fails_the_start(models_folder: Path) -> None:
    assert "PHIZ_RATE is 'often'" in fails(environment(models_folder, PHIZ_RATE="often"))


def metrics_url(service: Running) -> str:
    found = re.search(r"metrics are at (\S+)", service.log.read_text())
    assert found
    return found[1]


def test_metrics_have_a_port_of_their_own(start: Starter) -> None:
    with start(PHIZ_METRICS_PORT="0") as service:
        url = metrics_url(service)
        found = httpx.get(url)
        assert "phiz_workers 1.0" in found.text
        base = url.removesuffix("/metrics")
        assert httpx.get(f"{base}/readyz").is_success
        assert httpx.post(f"{base}/detect", content=IMAGE, headers=PNG).status_code == 404
        assert httpx.get(f"{service.url}/metrics").status_code == 404
        assert httpx.post(f"{service.url}/detect", content=IMAGE, headers=PNG).is_success
        assert "/metrics" not in httpx.get(f"{service.url}/openapi.json").json()["paths"]
        assert service.stop() == 0
        for gone in (url, f"{service.url}/healthz"):
            with pytest.raises(httpx.ConnectError):
                httpx.get(gone)


def test_taken_metrics_port_fails_the_start(service: Running, models_folder: Path) -> None:
    taken = str(service.address[1])
    error = fails(environment(models_folder, PHIZ_METRICS_PORT=taken))
    assert f"port {taken}" in error
    assert "change PHIZ_METRICS_PORT" in error


def test_metrics_port_that_is_the_port_of_the_service_fails_the_start(models_folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        free = str(found.getsockname()[1])
    error = fails(environment(models_folder, PHIZ_METRICS_PORT=free), "--port", free)
    assert f"port {free}" in error


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/detect"),
        ("POST", "/detect?size=1"),
        ("GET", "/models"),
        ("GET", "/metrics"),
        ("GET", "/healthz"),
        ("GET", "/nothing"),
        ("GET", "/"),
        ("GET", "/page/main.js"),
        ("GET", "/docs"),
        ("GET", "/docs/swagger-ui.css"),
        ("GET", "/openapi.json"),
        ("DELETE", "/detect"),
        ("GET", "/study"),
    ],
)
def test_every_answer_has_the_headers_that_protect_browsers(
    service: Running, method: str, path: str
) -> None:
    content = IMAGE if method == "POST" else None
    headers = httpx.request(method, f"{service.url}{path}", content=content, headers=PNG).headers
    for name in ("x-content-type-options", "content-security-policy", "referrer-policy"):
        assert len(headers.get_list(name)) == 1
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert (
        "'unsafe-inline'"
        not in headers["content-security-policy"].partition("script-src")[2].partition(";")[0]
    )
    assert headers["referrer-policy"] == "no-referrer"
    is_asset = path.startswith(("/docs/", "/page/")) or path == "/"
    assert headers["cache-control"] == ("private, no-cache" if is_asset else "no-store")


def test_refusal_of_the_connection_has_them_too(service: Running) -> None:
    with service.connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        answer = all_received(connection).lower()
    assert b"x-content-type-options: nosniff\r\n" in answer
    assert b"cache-control: no-store\r\n" in answer


def show(url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The page that a browser makes of an address, and what it says about it."""
    command = [program("chromium"), "--headless=new", "--no-sandbox", "--disable-gpu"]
    command += ["--disable-quic", "--no-first-run", "--disable-background-networking"]
    command += ["--disable-sync", "--disable-component-update", "--enable-logging=stderr"]
    command += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000"]
    return subprocess.run(
        [*command, "--dump-dom", url], capture_output=True, text=True, check=True, timeout=120
    )


@contextmanager
def keyed_proxy(service: Running, key: str) -> Iterator[str]:
    """The address of a service as one sees it who has typed a key once."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = httpx.get(service.url + self.path, headers={"X-API-Key": key})
            self.send_response(answer.status_code)
            for name, value in answer.headers.multi_items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.needs("chromium")
def test_browser_shows_the_page_with_its_button_and_without_complaints(
    guarded: Running, tmp_path: Path
) -> None:
    with keyed_proxy(guarded, OPERATOR) as url:
        shown = show(f"{url}/docs", tmp_path)
    assert "Find the faces of an image" in shown.stdout
    assert 'class="btn authorize' in shown.stdout
    assert "CONSOLE" not in shown.stderr, shown.stderr[-3000:]


@pytest.mark.needs("chromium")
def test_browser_is_asked_for_the_key_as_a_password(guarded: Running, tmp_path: Path) -> None:
    url = guarded.url.replace("://", f"://me:{OPERATOR}@")
    assert "SwaggerUIBundle" in show(f"{url}/docs", tmp_path).stdout
