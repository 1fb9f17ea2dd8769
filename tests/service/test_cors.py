"""Web pages of other origins, at a real service and in a real browser."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

import httpx
import pytest

from phiz.api.security.keys import create_key, format_line
from tests.api.doubles import MAY_END

from .running import IMAGE, ONE, SELFIE, Running, Starter, all_received, environment, running
from .test_access import show
from .test_early_refusals import ask, fill
from .test_starting import fails

pytestmark = pytest.mark.integration

ORIGIN: Final = "https://app.example.org"
KEY: Final = create_key()
OPTIONS: Final = {
    "PHIZ_CORS_ORIGINS": f"{ORIGIN}, http://localhost:5173",
    "PHIZ_API_KEYS": format_line(KEY, "page", rate="2/h"),
    "PHIZ_MAX_BYTES": "200000",
}
PREFLIGHT: Final = {"origin": ORIGIN, "access-control-request-method": "POST"}
IMAGES: Final = ("/detect", "/detect/batch", "/classify")
FOREIGN: Final = ("/v1/vision/face", "/api/v1/detection/detect", "/v2/health/ready")


@contextmanager
def serving(pages: Mapping[str, str]) -> Iterator[str]:
    """The origin of a server with these pages by their paths, which may come later."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

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


@pytest.fixture(scope="module")
def open_service(
    models_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """One with keys and a rate, which pages of two origins may use."""
    log = tmp_path_factory.mktemp("cors") / "log"
    with running(ONE, environment(models_folder, **OPTIONS), log) as service:
        yield service


@pytest.mark.parametrize("path", [*IMAGES, *FOREIGN, "/models", "/healthz", "/nothing"])
def test_preflight_is_answered_without_key_and_body(open_service: Running, path: str) -> None:
    headers = {**PREFLIGHT, "access-control-request-headers": "content-type,x-api-key"}
    answer = httpx.options(open_service.url + path, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST"
    assert answer.headers["access-control-allow-headers"] == "*, Authorization"
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers
    assert "content-length" not in answer.headers
    assert len(answer.headers["x-request-id"]) == 32


def test_preflight_of_another_origin_allows_nothing(open_service: Running) -> None:
    headers = {**PREFLIGHT, "origin": "https://example.org"}
    answer = httpx.options(open_service.url + "/detect", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["vary"] == "Origin"
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_options_that_are_no_preflight_are_refused_as_ever(open_service: Running) -> None:
    answer = httpx.options(open_service.url + "/detect", headers={"origin": ORIGIN})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_api_key")


def test_each_answer_may_be_read_by_pages_of_the_origin(start: Starter) -> None:
    variables = {**OPTIONS, "PHIZ_API_KEYS": format_line(KEY, "page", rate="15/h")}
    files = {"image": SELFIE.read_bytes()}
    headers = {"origin": ORIGIN, "x-api-key": KEY}
    with start(**variables) as service, httpx.Client(base_url=service.url, headers=headers) as http:
        answers = [
            http.post("/detect?model=front", files=files),
            http.get("/models"),
            http.post("/detect?model=front", files={"image": bytes(300_000)}),
            http.post("/detect", content=b"no picture"),
            http.post("/detect?size=1", files=files),
            http.post("/classify", content=b"", headers={"content-encoding": "gzip"}),
            http.get("/detect"),
            http.get("/nothing"),
            http.get("/healthz"),
            http.get("/metrics"),
            http.get("/models", headers={"x-api-key": "none"}),
            http.get("/v2/health/live"),
            http.post("/api/v1/detection/detect", json={"file": "x"}),
            http.post("/v1/vision/face/list"),
            http.get("/v2/models/none"),
            http.post("/v1/vision/face", files=files),
            http.post("/crops?model=front", files=files),
            http.post("/blur?model=front", files={"image": b"no picture"}),
            http.post("/detect/batch", files=files),
            http.post("/detect/batch", files=files),
        ]
    statuses = [answer.status_code for answer in answers]
    own, foreign = statuses[:11], statuses[11:16]
    assert own == [200, 200, 413, 415, 422, 415, 405, 404, 200, 403, 401]
    assert foreign == [200, 400, 501, 404, 200]
    assert statuses[16:] == [200, 415, 200, 429]
    for answer in answers:
        assert answer.headers.get_list("access-control-allow-origin") == [ORIGIN]
        assert answer.headers.get_list("vary") == ["Origin"]
        exposed = answer.headers["access-control-expose-headers"]
        assert exposed == "Phiz-Faces, Retry-After, Server-Timing, X-Request-Id"
    assert "retry-after" in answers[-1].headers


def test_answers_to_others_have_no_permission(open_service: Running) -> None:
    for headers in ({}, {"origin": "https://example.org"}, {"origin": "null"}):
        answer = httpx.get(open_service.url + "/healthz", headers=headers)
        assert answer.headers["vary"] == "Origin"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("head", [b"x: y\r\nhost: x\r\n", b"x: " + b"y" * 70_000 + b"\r\n"])
def test_refusal_of_the_connection_may_be_read_too(open_service: Running, head: bytes) -> None:
    with open_service.connect() as connection:
        request = b"GET /healthz HTTP/1.1\r\nhost: x\r\norigin: " + ORIGIN.encode() + b"\r\n"
        connection.sendall(request + head + b"\r\n")
        answer = all_received(connection)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert b"\r\naccess-control-allow-origin: " + ORIGIN.encode() + b"\r\n" in answer


@pytest.mark.parametrize(
    ("origins", "path"), [("*", b"/detect"), (ORIGIN, b"/detect"), (ORIGIN, b"/v1/vision/face")]
)
def test_early_refusal_may_be_read_too(
    start: Starter, tmp_path: Path, origins: str, path: bytes
) -> None:
    with start.doubled("held", queue=2, cors=origins) as service, ExitStack() as stack:
        fill(service, stack, tmp_path)
        by_the_routes = ask(service, f"origin: {ORIGIN}", "connection: close", path=path)
        early = ask(service, f"origin: {ORIGIN}", path=path)
        (tmp_path / MAY_END).touch()
    assert early == by_the_routes
    assert early[0][0] == b"http/1.1 503 service unavailable"
    assert f"access-control-allow-origin: {origins}".encode() in early[0]
    assert (b"vary: origin" in early[0]) == (origins != "*")


def test_without_the_setting_there_is_no_such_header(service: Running) -> None:
    answer = httpx.post(f"{service.url}/detect", content=IMAGE, headers={"origin": ORIGIN})
    preflight = httpx.options(f"{service.url}/detect", headers=PREFLIGHT)
    assert (answer.status_code, preflight.status_code) == (200, 405)
    for each in (answer, preflight):
        assert "vary" not in each.headers
        assert not [name for name in each.headers if name.startswith("access-control-")]


def test_wrong_setting_is_told_at_start(models_folder: Path) -> None:
    env = environment(models_folder, PHIZ_CORS_ORIGINS="app.example.org")
    assert "PHIZ_CORS_ORIGINS has the entry 'app.example.org'; an origin is" in fails(env)


PAGE: Final = """<!doctype html><title>page</title><pre id=shown></pre><script>
const service = "SERVICE", image = "IMAGE";
async function ask(path, options) {
  try {
    const answer = await fetch(service + path, options);
    const body = await answer.json();
    const time = (answer.headers.get("Server-Timing") || "").slice(0, 5);
    return [answer.status, body.code || body.faces.length, time];
  } catch (error) { return [String(error)]; }
}
(async () => {
  const type = {"Content-Type": "application/json", "X-API-Key": "none", "X-Other": "1"};
  const json = {method: "POST", headers: type, body: JSON.stringify({image, model: "front"})};
  const shown = [
    await ask("/detect", json),
    await ask("/detect", {method: "POST", body: "text"}),
    await ask("/nothing", {headers: {Authorization: "Bearer x"}}),
  ];
  document.getElementById("shown").textContent = JSON.stringify(shown);
})();
</script>"""


@pytest.mark.needs("chromium")
@pytest.mark.parametrize("is_listed", [True, False])
def test_browser_lets_pages_of_listed_origins_read(
    start: Starter, tmp_path: Path, *, is_listed: bool
) -> None:
    text = base64.b64encode(SELFIE.read_bytes()).decode()
    with ExitStack() as stack:
        pages: dict[str, str] = {}
        origin = stack.enter_context(serving(pages))
        origins = origin if is_listed else "https://app.example.org"
        service = stack.enter_context(start(PHIZ_CORS_ORIGINS=origins))
        pages["/"] = PAGE.replace("SERVICE", service.url).replace("IMAGE", text)
        shown = show(origin, tmp_path).stdout
    found = json.loads(shown.partition('<pre id="shown">')[2].partition("</pre>")[0])
    if is_listed:
        assert found == [[200, 1, "queue"], [415, "unsupported_image", ""], [404, "not_found", ""]]
    else:
        assert found == [["TypeError: Failed to fetch"]] * 3
