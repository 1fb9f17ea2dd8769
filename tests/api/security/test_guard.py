import asyncio
import base64
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from phiz.api.app import create_app
from phiz.api.request_record import get_record
from phiz.api.security.guard import (
    PROBE_PATHS_OPEN,
    SCOPE_BY_PATH,
    Gate,
    Guard,
    get_needed_scope,
)
from phiz.api.security.headers import HeaderShield
from phiz.api.security.keys import SCOPES, KeyRing, create_key, format_line, parse_keys
from phiz.api.security.rates import Rate
from phiz.api.service import RequestLimits

KEYS = {scope: create_key() for scope in SCOPES}
TEXT = "\n".join(format_line(key, f"name-{scope}", [scope]) for scope, key in KEYS.items())
RING = KeyRing(parse_keys(TEXT))
DETECT = KEYS["detect"]


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    client = get_record(scope).client
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"client", client.encode())]}
    )
    await send({"type": "http.response.body", "body": b""})


def ask(
    guard: Guard,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    port: int = 8000,
    source: str = "192.0.2.1",
) -> httpx.Response:
    app: Any = Gate(echo, guard, FastAPI())
    transport = httpx.ASGITransport(app, client=(source, 1))

    async def send() -> httpx.Response:
        url = f"http://phiz:{port}"
        async with httpx.AsyncClient(transport=transport, base_url=url) as http:
            return await http.get(path, headers=headers)

    return asyncio.run(send())


def basic(password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'me:{password}'.encode()).decode()}"}


def test_every_route_has_a_scope_or_is_a_probe() -> None:
    routes = create_app(("unused",), 1, RequestLimits(1)).state.methods.keys()
    fixed = {route for route in routes if "{" not in route}
    named = SCOPE_BY_PATH.keys() | PROBE_PATHS_OPEN
    assert named <= fixed
    assert [route for route in routes - named if not get_needed_scope(route)] == []
    assert {get_needed_scope(route) for route in routes - named} == {"detect"}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"X-API-Key": DETECT}, id="header"),
        pytest.param({"Authorization": f"Bearer {DETECT}"}, id="bearer"),
        pytest.param({"Authorization": f"bEARER  {DETECT}"}, id="bearer-any-case"),
        pytest.param({**basic("other"), "X-API-Key": DETECT}, id="both"),
    ],
)
def test_key_is_read_from_each_header(headers: dict[str, str]) -> None:
    answer = ask(Guard(RING), "/detect", headers)
    assert (answer.status_code, answer.headers["client"]) == (200, "name-detect")


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"X-API-Key": ""}, id="empty"),
        pytest.param({"X-API-Key": DETECT[:-1]}, id="cut"),
        pytest.param({"X-API-Key": DETECT + "x"}, id="longer"),
        pytest.param({"X-API-Key": f"Bearer {DETECT}"}, id="scheme-in-key"),
        pytest.param({"Authorization": DETECT}, id="no-scheme"),
        pytest.param(basic(DETECT), id="basic-on-api"),
        pytest.param({"Authorization": "Basic ?"}, id="basic-broken"),
        pytest.param({"X-API-Key": create_key(), "Authorization": f"Bearer {DETECT}"}, id="other"),
    ],
)
@pytest.mark.parametrize("path", ["/detect", "/nothing", "/metrics", "/docs/x.js", "/study"])
def test_other_requests_are_refused_with_a_challenge(path: str, headers: dict[str, str]) -> None:
    answer = ask(Guard(RING), path, headers)
    assert (answer.status_code, answer.json()["code"]) == (
        (403, "missing_scope")
        if headers == basic(DETECT) and path in {"/docs/x.js", "/study"}
        else (401, "invalid_api_key")
    )
    if answer.status_code == 401:
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="phiz"')
        assert ("Basic" in challenge) == (path in {"/docs/x.js", "/study"})
        assert "X-API-Key" in answer.json()["detail"]
    assert DETECT[:-1] not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", [*SCOPE_BY_PATH, "/docs/swagger-ui.css"])
def test_key_allows_the_paths_of_its_scope_alone(path: str) -> None:
    needed = SCOPE_BY_PATH.get(path, "docs")
    for scope, key in KEYS.items():
        answer = ask(Guard(RING), path, {"X-API-Key": key})
        assert answer.status_code == (200 if scope == needed else 403)
        if scope != needed:
            assert needed in answer.json()["detail"]


def test_browser_sends_the_key_as_a_password_for_the_pages() -> None:
    for path in ("/docs", "/docs/x.css", "/openapi.json", "/study"):
        assert ask(Guard(RING), path, basic(KEYS["docs"])).status_code == 200
    assert ask(Guard(RING), "/metrics", basic(KEYS["metrics"])).status_code == 401


@pytest.mark.parametrize("path", sorted(PROBE_PATHS_OPEN))
def test_probes_need_no_key_and_have_no_rate(path: str) -> None:
    guard = Guard(RING, Rate(1, 3600, 1))
    assert [ask(guard, path).status_code for _ in range(3)] == [200, 200, 200]


def test_address_may_have_the_key_as_a_password_for_clients_without_headers() -> None:
    answer = ask(Guard(RING), "/v1/vision/face", basic(DETECT))
    assert (answer.status_code, answer.headers["client"]) == (200, "name-detect")
    assert ask(Guard(RING), "/v1/vision/face", basic(KEYS["docs"])).status_code == 403
    assert ask(Guard(RING), "/v1/vision/face/list", basic(DETECT)).status_code == 401
    assert ask(Guard(RING), "/api/v1/detection/detect", basic(DETECT)).status_code == 401


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/vision/face", "error"),
        ("/api/v1/detection/detect", "message"),
        ("/v2/models/front", "error"),
    ],
)
def test_refusal_has_the_form_of_the_interface(path: str, field: str) -> None:
    answer = ask(Guard(RING), path)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/json")
    assert "X-API-Key" in answer.json()[field]
    assert "Basic" not in answer.headers["www-authenticate"]
    guard = Guard(RING, Rate(1, 60, 1))
    answers = [ask(guard, path, {"X-API-Key": DETECT}) for _ in range(2)]
    assert [each.status_code for each in answers] == [200, 429]
    assert answers[1].headers["retry-after"] == "60"
    assert "try again in 60 s" in answers[1].json()[field]


def test_rate_of_a_key_is_its_own_or_the_default() -> None:
    fast = create_key()
    ring = KeyRing(parse_keys(f"{TEXT}\n{format_line(fast, 'fast', rate='3/h')}"))
    guard = Guard(ring, Rate(1, 3600, 1))
    statuses = {
        key: [ask(guard, "/detect", {"X-API-Key": key}).status_code for _ in range(4)]
        for key in (DETECT, fast)
    }
    assert statuses == {DETECT: [200, 429, 429, 429], fast: [200, 200, 200, 429]}


def test_refusal_says_when_to_try_again() -> None:
    guard = Guard(rate=Rate(1, 60, 1))
    ask(guard, "/detect")
    answer = ask(guard, "/detect")
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_exceeded")
    assert answer.headers["retry-after"] == "60"
    assert "1 in 60 s with a burst of 1; try again in 60 s" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        pytest.param("192.0.2.1", "192.0.2.1", 429, id="same"),
        pytest.param("192.0.2.1", "192.0.2.2", 200, id="other"),
        pytest.param("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", 429, id="same-network"),
        pytest.param("2001:db8:0:1::1", "2001:db8:0:2::1", 200, id="other-network"),
        pytest.param("fe80::1%eth0", "fe80::1%eth0", 429, id="zone"),
        pytest.param("::ffff:192.0.2.1", "::ffff:192.0.2.2", 200, id="mapped"),
    ],
)
def test_without_keys_each_source_has_the_rate(first: str, second: str, status: int) -> None:
    guard = Guard(rate=Rate(1, 3600, 1))
    assert ask(guard, "/detect", source=first).status_code == 200
    assert ask(guard, "/detect", source=second).status_code == status


def test_metrics_are_at_their_port_alone_and_need_no_key_there() -> None:
    guard = Guard(RING, Rate(1, 3600, 1), metrics_port=9000)
    for path in ("/metrics", "/healthz", "/readyz", "/metrics"):
        assert ask(guard, path, port=9000).status_code == 200
    for path in ("/detect", "/docs", "/nothing"):
        answer = ask(guard, path, {"X-API-Key": DETECT}, port=9000)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert "/metrics alone" in answer.json()["detail"]
    answer = ask(guard, "/metrics", {"X-API-Key": KEYS["metrics"]})
    assert (answer.status_code, "port of its own" in answer.json()["detail"]) == (404, True)
    assert ask(guard, "/detect", {"X-API-Key": DETECT}).status_code == 200


def test_application_of_another_server_has_guard_and_headers() -> None:
    """As Ray Serve has it, without the fast path."""
    app = create_app(("unused",), 1, RequestLimits(1))
    app.add_middleware(HeaderShield)
    app.add_middleware(Gate, Guard(RING))

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://phiz") as http:
            headers = {"X-API-Key": DETECT}
            return [
                await http.get("/models"),
                await http.get("/models", headers=headers),
                await http.get("/healthz"),
            ]

    answers = asyncio.run(send())
    assert [answer.status_code for answer in answers] == [401, 503, 200]
    for answer in answers:
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
