"""Images by address: a real service, and a real host of https."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.fetch.server import Page, Server, answer, serving, stay_silent

from .running import IMAGE, ONE, PATIENCE_S, Starter, environment, running, wait_for

pytestmark = pytest.mark.integration


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Server]:
    pages: dict[str, Page] = {"/private.png": answer(IMAGE), "/silent": stay_silent}
    with serving(str(tmp_path / "authority.pem"), pages) as server:
        yield server


@pytest.mark.parametrize("path", ["/detect", "/classify"])
def test_image_by_address_is_answered_like_its_bytes(
    start: Starter, hosts: Server, path: str
) -> None:
    variables = {
        "PHIZ_URL_HOSTS": f"localhost:{hosts.port}",
        "SSL_CERT_FILE": hosts.authority,
        "PHIZ_LOG": "json",
    }
    with (
        start(**variables) as service,
        httpx.Client(base_url=service.url, timeout=PATIENCE_S) as http,
    ):
        url = f"https://localhost:{hosts.port}/private.png?secret=1"
        fetched = http.post(path, params={"url": url})
        sent = http.post(path, content=IMAGE)
        missing = http.post(path, params={"url": f"{url[:-20]}none.png"})
        assert missing.status_code >= httpx.codes.BAD_REQUEST
        text = service.log.read_text()
    assert fetched.status_code == sent.status_code
    answers = [{**one.json(), "timing_ms": None} for one in (fetched, sent)]
    assert re.sub(r"\d\.\d+ ms", "", str(answers[0])) == re.sub(r"\d\.\d+ ms", "", str(answers[1]))
    assert '"path":"' in text
    for word in ("private", "secret", "localhost"):
        assert word not in text


def test_fetch_ends_when_its_client_leaves(start: Starter, hosts: Server) -> None:
    variables = {"PHIZ_URL_HOSTS": f"localhost:{hosts.port}", "SSL_CERT_FILE": hosts.authority}
    with start(**variables) as service:
        with service.connect() as client:
            query = f"url=https://localhost:{hosts.port}/silent"
            client.sendall(f"POST /detect?{query} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            wait_for(lambda: hosts.paths == ["/silent"])
        wait_for(lambda: hosts.left == 1)
        wait_for(lambda: service.metric("phiz_inflight_requests") == 0)
        assert service.metric("phiz_request_seconds_count", outcome="disconnected") == 1


@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"PHIZ_URL_HOSTS": "https://example.org"}, "has the entry 'https://example.org'"),
        (
            {"PHIZ_URL_HOSTS": "public", "SSL_CERT_FILE": "/none"},
            "SSL_CERT_FILE is '/none', and cannot be read",
        ),
    ],
)
def test_service_does_not_start_with_wrong_hosts_or_authorities(
    models_folder: Path, tmp_path: Path, variables: dict[str, str], error: str
) -> None:
    log = tmp_path / "log"
    with (
        pytest.raises(AssertionError, match=re.escape(error)),
        running(ONE, environment(models_folder, **variables), log),
    ):
        pass
    assert log.read_text().count("\n") == 1
