import asyncio
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from phiz import errors
from phiz.api.errors import (
    NotReadyError,
    add_error_handlers,
    build_problem,
    get_error_code,
)
from phiz.errors import PhizError
from phiz.wire.schemas import Problem

from .client import Client


def family(kind: type[PhizError]) -> Iterator[type[PhizError]]:
    for child in kind.__subclasses__():
        yield child
        yield from family(child)


FAMILY = tuple(family(PhizError))


def test_every_code_is_one_errors_own() -> None:
    codes = [PhizError.code, *(kind.code for kind in FAMILY)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (errors.EmptyImageError, 400),
        (errors.UndecodableImageError, 400),
        (errors.MalformedBodyError, 400),
        (errors.MissingImageError, 400),
        (errors.BodyTimeoutError, 408),
        (errors.ImageBytesError, 413),
        (errors.ImagePixelsError, 413),
        (errors.UnsupportedImageError, 415),
        (errors.ContentCodingError, 415),
        (errors.OptionError, 422),
        (errors.OverloadedError, 503),
        (errors.OutOfMemoryError, 503),
        (errors.DeadlineError, 504),
        (errors.WorkerDiedError, 500),
        (errors.WorkerFaultError, 500),
        (errors.ModelCorruptError, 503),
        (errors.ModelNotBuiltError, 503),
        (errors.StudyMissingError, 404),
        (errors.SettingError, 500),
        (errors.CatalogError, 500),
    ],
)
def test_the_status_is_the_one_promised(kind: type[PhizError], status: int) -> None:
    assert build_problem(kind("x"))["status"] == status


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.OptionError("x"), "bad_option"),
        (ClientDisconnect(), "disconnected"),
        (NotReadyError(), "not_ready"),
        (HTTPException(418), "internal"),
        (ZeroDivisionError("x"), "internal"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_outcome_is_a_code(error: BaseException, code: str) -> None:
    assert get_error_code(error) == code


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "allow"),
    [
        ("GET", "/nothing", 404, "not_found", None),
        ("POST", "/detect/", 404, "not_found", None),
        ("GET", "/docs/nothing.js", 404, "not_found", None),
        ("GET", "/detect", 405, "method_not_allowed", "POST"),
        ("GET", "/detect/batch", 405, "method_not_allowed", "POST"),
        ("DELETE", "/detect", 405, "method_not_allowed", "POST"),
        ("POST", "/models", 405, "method_not_allowed", "GET"),
        ("POST", "/healthz", 405, "method_not_allowed", "GET, HEAD"),
        ("POST", "/docs", 405, "method_not_allowed", "GET, HEAD"),
        ("POST", "/docs/swagger-ui.css", 405, "method_not_allowed", "GET, HEAD"),
    ],
)
def test_the_frameworks_errors_have_the_same_shape(
    client: Client, method: str, path: str, status: int, code: str, allow: str | None
) -> None:
    response = client.ask(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers.get("allow") == allow
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "code", "detail"}
    assert (problem["status"], problem["code"]) == (status, code)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/detect/", "/detect"),
        ("/Detect", "/detect"),
        ("/v1/detect", "/detect"),
        ("/detect/batches", "/detect/batch"),
        ("/health", "/healthz"),
        ("/healthz/live", "/healthz"),
        ("/ready", "/readyz"),
        ("/live", "/healthz"),
        ("/livez", "/healthz"),
        ("/LIVEZ/", "/healthz"),
        ("/swagger", "/docs"),
        ("/redoc", "/docs"),
        ("/openapi.yaml", "/openapi.json"),
        ("/classification", "/classify"),
    ],
)
def test_unknown_address_names_the_nearest(client: Client, path: str, nearest: str) -> None:
    detail = client.ask("POST", path).json()["detail"]
    assert f"did you mean {nearest}? " in detail
    assert detail.endswith("/docs lists the routes")


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/0", id="digit"),
        pytest.param("/holiday.jpg", id="file"),
        pytest.param("/<script>", id="script"),
        pytest.param("/" + 9000 * "detect/", id="long"),
    ],
)
def test_unknown_address_is_not_repeated(client: Client, path: str) -> None:
    detail = client.ask("GET", path).json()["detail"]
    assert detail == "there is nothing at this address; /docs lists the routes"


def test_unknown_addresses_and_methods_are_counted(client: Client) -> None:
    for method, path, reason in (
        ("GET", "/nothing", "not_found"),
        ("PUT", "/detect", "method_not_allowed"),
    ):
        before = client.metric("phiz_rejected_total", reason=reason)
        client.ask(method, path)
        after = client.metric("phiz_rejected_total", reason=reason)
        assert before is not None
        assert after == before + 1


def test_a_head_without_a_get_is_no_method(client: Client) -> None:
    response = client.ask("HEAD", "/detect")
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.OptionError("min_face is 0"), (422, "bad_option", "min_face is 0")),
        (errors.WorkerDiedError("it ended"), (500, "worker_died", "it ended")),
        (
            ZeroDivisionError("a secret"),
            (500, "internal", "the service failed; its log has the details"),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_within_an_answer_has_that_shape_too(
    error: Exception, expected: tuple[int, str, str]
) -> None:
    content = Problem.model_validate(build_problem(error))
    assert (content.status, content.code, content.detail) == expected


@pytest.mark.parametrize(("wait_s", "expected"), [(0.2, "1"), (1, "1"), (2.1, "3")])
def test_when_to_try_again_is_told_in_whole_seconds(wait_s: float, expected: str) -> None:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/")
    def fail() -> None:
        raise errors.OverloadedError("full", wait_s)

    with asyncio.Runner() as runner:
        response = Client(app, runner).ask("GET", "/")
    assert (response.status_code, response.headers["retry-after"]) == (503, expected)
