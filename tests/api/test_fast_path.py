import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from phiz.api.errors import add_error_handlers
from phiz.api.fast_path import FastPath

from .client import Client, form

ASKED = [
    pytest.param("POST", "/detect", id="detect"),
    pytest.param("POST", "/detect?min_score=2", id="wrong-option"),
    pytest.param("GET", "/detect", id="wrong-method"),
    pytest.param("POST", "/detect/batch", id="batch"),
    pytest.param("OPTIONS", "/detect/batch", id="options"),
    pytest.param("POST", "/classify", id="classify"),
    pytest.param("PUT", "/classify", id="classify-method"),
    pytest.param("GET", "/models", id="models"),
    pytest.param("GET", "/openapi.json", id="description"),
    pytest.param("POST", "/openapi.json", id="description-method"),
    pytest.param("POST", "/nothing", id="nothing"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_it_answers_as_the_application_behind_it(
    client: Client, png: bytes, method: str, path: str
) -> None:
    body, kind = form(("image", png))

    async def ask(app: Any) -> tuple[int, Any, dict[str, str]]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://phiz") as http:
            headers = {"content-type": kind}
            response = await http.request(method, path, content=body, headers=headers)
        told = response.json()
        for entry in (told, *told.get("results", ())):
            entry.pop("timing_ms", None)
        names = {name: response.headers[name] for name in ("content-type",)}
        return response.status_code, told, names

    async def ask_both() -> None:
        assert await ask(FastPath(client.app)) == await ask(client.app)

    client.runner.run(asyncio.wait_for(ask_both(), 20))


def test_failure_of_another_route_is_logged_with_the_id_of_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/")
    def fail() -> None:
        raise ZeroDivisionError("a secret")

    with asyncio.Runner() as runner:
        response = Client(app, runner).ask("GET", "/", headers={"x-request-id": "seven"})
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("ERROR", "phiz.api.fast_path")
    assert record.__dict__["fields"] == {"request": "seven"}
    assert record.exc_info is not None


def test_failure_of_the_lifespan_is_raised() -> None:
    async def fail(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ZeroDivisionError

    async def ignore(*_messages: Any) -> Any:
        raise AssertionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(FastPath(fail)({"type": "lifespan"}, ignore, ignore))  # type: ignore[arg-type]
