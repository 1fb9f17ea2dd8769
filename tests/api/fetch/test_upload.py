"""The option ``url`` of an application, whose client fetches from a real server."""

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import replace

import httpx
import pytest

from phiz.api.fetch.hosts import HostRules
from phiz.api.fetch.upload import take_url
from phiz.api.service import RequestLimits, Service
from phiz.errors import OptionError
from tests.api.client import REQUEST_LIMITS, SIZE_WH, Client, doubles, encoded, until
from tests.api.doubles import LIMITS, command

from .server import Server, answer, stay_silent


@pytest.fixture(scope="module")
def shared(package_server: Server) -> Iterator[Client]:
    rules = HostRules.from_setting([f"localhost:{package_server.port}"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", package_server.authority)
        with doubles(command("mirrors"), replace(REQUEST_LIMITS, url_hosts=rules)) as client:
            yield client


@pytest.fixture
def base(server: Server) -> str:
    server.pages["/picture.png"] = answer(encoded(SIZE_WH))
    return f"https://localhost:{server.port}"


@pytest.mark.parametrize(
    ("query", "url", "rest"),
    [
        (b"", None, b""),
        (b"model=front", None, b"model=front"),
        (b"url=https%3A%2F%2Fx.org%2F%3Fa%3Db%26c", "https://x.org/?a=b&c", b""),
        (b"model=front&url=https://x.org/&top=1", "https://x.org/", b"model=front&top=1"),
        (b"url=", "", b""),
        (b"curl=1", None, b"curl=1"),
        (b"a=%C3%BC&b=%26&url=x&c=", "x", b"a=%C3%BC&b=%26&c="),
    ],
)
def test_url_leaves_the_query(query: bytes, url: str | None, rest: bytes) -> None:
    scope = {"query_string": query}
    assert take_url(scope) == url
    assert scope["query_string"] == rest


def test_url_given_twice_is_refused() -> None:
    with pytest.raises(OptionError, match="twice"):
        take_url({"query_string": b"url=a&url=b"})


def ask(
    client: Client,
    url: str,
    path: str = "/detect",
    *,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    **options: str,
) -> httpx.Response:
    query = httpx.QueryParams({"url": url, **options})
    return client.ask("POST", f"{path}?{query}", headers=headers, content=content)


def test_image_by_address_is_answered_with_the_other_options(shared: Client, base: str) -> None:
    found = ask(shared, f"{base}/picture.png", model="front", max_faces="2").json()
    assert found["model"] == "front"
    assert (found["image"]["width"], found["image"]["height"]) == SIZE_WH
    assert len(found["faces"]) == 2


def test_wrong_option_is_refused_before_the_fetch(
    shared: Client, server: Server, base: str
) -> None:
    refused = ask(shared, f"{base}/picture.png", size="1")
    assert refused.json()["code"] == "bad_option"
    assert server.heads == []


def test_body_beside_the_url_is_refused(shared: Client, server: Server, base: str) -> None:
    refused = ask(shared, f"{base}/picture.png", content=encoded(SIZE_WH))
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_option")
    assert "send only one of them" in refused.json()["detail"]
    assert server.heads == []


def test_batch_takes_no_url(shared: Client, server: Server, base: str) -> None:
    refused = ask(shared, f"{base}/picture.png", "/detect/batch")
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_option")
    assert server.heads == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/missing", 422, "url_bad_answer"),
        ("/gzip", 422, "url_bad_answer"),
        ("/to-http", 403, "url_not_allowed"),
        ("/to-private", 403, "url_not_allowed"),
        ("/announced", 413, "too_many_bytes"),
        ("/endless", 413, "too_many_bytes"),
        ("/face.png", 415, "unsupported_image"),
    ],
)
def test_error_of_a_fetch_is_answered_and_counted(
    shared: Client, base: str, path: str, status: int, code: str
) -> None:
    before = shared.metric("phiz_request_seconds_count", model="auto", outcome=code) or 0
    answered = ask(shared, base + path)
    assert (answered.status_code, answered.json()["code"]) == (status, code)
    assert shared.metric("phiz_request_seconds_count", model="auto", outcome=code) == before + 1


def test_fetch_ends_at_the_deadline_of_the_request(shared: Client, base: str) -> None:
    answered = ask(shared, f"{base}/silent", headers={"phiz-deadline": "0.2"})
    assert (answered.status_code, answered.json()["code"]) == (422, "url_too_slow")


def test_service_without_hosts_fetches_nothing(client: Client, server: Server, base: str) -> None:
    refused = ask(client, f"{base}/picture.png")
    assert (refused.status_code, refused.json()["code"]) == (403, "url_disabled")
    assert "PHIZ_URL_HOSTS" in refused.json()["detail"]
    assert server.heads == []


def test_fetched_bytes_are_held_until_the_answer(shared: Client, server: Server, base: str) -> None:
    service: Service = shared.app.state.service
    bodies = service.admission.bodies
    held: list[int] = []

    def note(connection: ssl.SSLSocket) -> None:
        connection.sendall(answer(bytes(5000))[:-1])
        wait = asyncio.run_coroutine_threadsafe(_wait_for_bytes(), shared.runner.get_loop())
        held.append(wait.result(10))
        connection.sendall(b"\0")

    async def _wait_for_bytes() -> int:
        await until(lambda: bodies.held_bytes >= 4999)
        return bodies.held_bytes

    server.pages["/noted"] = note
    assert ask(shared, f"{base}/noted").json()["code"] == "unsupported_image"
    assert held == [4999]
    assert (bodies.held_bytes, bodies.arriving_bodies) == (0, 0)


def test_fetches_of_all_requests_have_the_limit_of_bodies(package_server: Server) -> None:
    rules = HostRules.from_setting([f"localhost:{package_server.port}"])
    limits = RequestLimits(LIMITS.max_bytes, url_hosts=rules, max_bodies=1)
    package_server.pages["/held"] = stay_silent
    url = f"https://localhost:{package_server.port}/held"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", package_server.authority)
        with doubles(command("mirrors"), limits) as client:

            async def ask_twice() -> httpx.Response:
                target = f"/detect?{httpx.QueryParams({'url': url})}"
                slow = asyncio.create_task(client.http.post(target))
                await until(lambda: client.app.state.service.admission.bodies.arriving_bodies == 1)
                refused = await client.http.post(target)
                slow.cancel()
                await asyncio.gather(slow, return_exceptions=True)
                return refused

            refused = client.runner.run(ask_twice())
            assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
            assert client.app.state.service.admission.bodies.arriving_bodies == 0
