"""Errors as answers: RFC 9457 problems, with the statuses of the error table."""

import difflib
import math
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from phiz.api.compat.error_forms import ErrorForm, find_error_form
from phiz.api.error_table import (
    ERRORS_BY_CODE,
    INTERNAL_CODE,
    METHOD_CODE,
    NOT_FOUND_CODE,
    NOT_READY_CODE,
    UPGRADE_CODE,
)
from phiz.api.request_record import get_record
from phiz.api.security.headers import SECURITY_HEADERS, RawHeaders
from phiz.errors import (
    BodyTimeoutError,
    CapacityError,
    ContentCodingError,
    OverloadedError,
    PhizError,
    RateLimitError,
)
from phiz.wire.json_text import encode_json
from phiz.wire.schemas import JsonObject

PROBLEM_JSON = "application/problem+json"
_JSON = "application/json"
HEADERS_BY_ERROR: Mapping[type[Exception], Mapping[str, str]] = {
    # RFC 9110 section 15.5.9; without it the rest of the body would still be waited for.
    BodyTimeoutError: {"Connection": "close"},
    # RFC 9110 section 12.5.3
    ContentCodingError: {"Accept-Encoding": "identity"},
}
"""Headers of the answers to errors of exactly these classes."""

FRAMEWORK_CODES: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: NOT_FOUND_CODE,
    HTTPStatus.METHOD_NOT_ALLOWED: METHOD_CODE,
    HTTPStatus.SERVICE_UNAVAILABLE: NOT_READY_CODE,
    HTTPStatus.UPGRADE_REQUIRED: UPGRADE_CODE,
}
DISCONNECTED_CODE = "disconnected"
FILE_METHODS: Final = ("GET", "HEAD")  # of the files of /docs, which are no routes
# Names that other services have for ours.
ROUTES_BY_OTHER_NAME: Final[Mapping[str, str]] = {
    **dict.fromkeys(("/live", "/livez", "/liveness", "/ping", "/status"), "/healthz"),
    "/readiness": "/readyz",
    **dict.fromkeys(("/swagger", "/swagger-ui", "/redoc", "/api-docs", "/openapi"), "/docs"),
    "/swagger.json": "/openapi.json",
}
MAX_COMPARED_CHARACTERS: Final = 64  # of an address; comparing takes the square of its length
_WITH_RETRY_AFTER: Final = (CapacityError, RateLimitError)


class NotReadyError(HTTPException):
    """The models are not loaded yet, or the service is about to stop."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the service is starting or stopping; try again in a moment",
            {"Retry-After": "1"},  # seconds
        )


def get_error_code(error: BaseException) -> str:
    """Return the code under which an error is counted."""
    if isinstance(error, PhizError):
        return error.code
    if isinstance(error, HTTPException):
        return FRAMEWORK_CODES.get(error.status_code, INTERNAL_CODE)
    if isinstance(error, ClientDisconnect):
        return DISCONNECTED_CODE
    return INTERNAL_CODE


class ProblemResponse(Response):
    """A problem as a response."""

    def __init__(
        self,
        code: str,
        detail: str,
        status: int | None = None,
        headers: RawHeaders = (),
        form: ErrorForm | None = None,
    ) -> None:
        """Answer with a problem; the framework's own way to these headers takes longer.

        Args:
            code: Code of the error.
            detail: Its message.
            status: Its status; None for that of the table.
            headers: Headers of the answer.
            form: Form of another interface that the answer has; None for that of RFC 9457.
        """
        self.status_code, self.body = _encode_problem(code, detail, status, form)
        self.background = None
        media_type = PROBLEM_JSON if form is None else _JSON
        self.raw_headers = [
            *headers,
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(self.body)),
            *SECURITY_HEADERS,
        ]


# An overloaded service repeats the same few refusals.
@lru_cache(256)
def _encode_problem(
    code: str, detail: str, status: int | None, form: ErrorForm | None
) -> tuple[int, bytes]:
    content = build_content(code, detail, status)
    given = content["status"]
    if form is not None:
        given, content = form(content)
    return given, encode_json(content)


def build_problem(error: Exception) -> JsonObject:
    """Return an error in the shape of RFC 9457. Errors that are not ours are not described."""
    if isinstance(error, HTTPException):
        return build_content(get_error_code(error), error.detail, error.status_code)
    return build_content(*_describe_error(error))


def _describe_error(error: Exception) -> tuple[str, str]:
    if not isinstance(error, PhizError):
        return INTERNAL_CODE, "the service failed; its log has the details"
    return error.code, str(error)


def build_content(code: str, detail: str, status: int | None = None) -> JsonObject:
    """Return the members of a problem: by default with the status of the table, or else 500."""
    if status is None:
        entry = ERRORS_BY_CODE.get(code)
        status = HTTPStatus.INTERNAL_SERVER_ERROR if entry is None else entry.status
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
    }


def respond_to_error(error: Exception, scope: Scope) -> Response:
    """Return the answer to an error, and note its code in the record of the request."""
    code = get_error_code(error)
    record = get_record(scope)
    record.error_code = code
    if isinstance(error, ClientDisconnect):
        # Nobody is there to read it, but an answer is what the server expects of us.
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    # A refusal before its request begins has no path but that of the record. Other addresses below
    # those of an interface are none of it.
    form = None if code == NOT_FOUND_CODE else find_error_form(scope.get("path", record.path))
    if isinstance(error, HTTPException):
        headers = _encode_headers(error.headers or {})
        return ProblemResponse(code, error.detail, error.status_code, headers, form)
    if isinstance(error, _WITH_RETRY_AFTER):
        headers = ((b"retry-after", b"%d" % math.ceil(error.retry_after_s)),)
    else:
        headers = _encode_headers(HEADERS_BY_ERROR.get(type(error), {}))
    return ProblemResponse(*_describe_error(error), headers=headers, form=form)


def _encode_headers(headers: Mapping[str, str]) -> RawHeaders:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())


# A hostile client gets the same few again and again.
@lru_cache(256)
def encode_last_response(code: str, detail: str, headers: RawHeaders = ()) -> bytes:
    """Return a whole answer to a request that cannot be read, the last on its connection."""
    content = build_content(code, detail)
    body = encode_json(content)
    retry_after = "retry-after: 1\r\n" * (code == OverloadedError.code)
    head = (
        f"HTTP/1.1 {content['status']} {content['title']}\r\ncontent-type: {PROBLEM_JSON}\r\n"
        f"content-length: {len(body)}\r\n{retry_after}connection: close\r\n"
    )
    shield = b"".join(b"%b: %b\r\n" % header for header in (*SECURITY_HEADERS, *headers))
    return head.encode() + shield + b"\r\n" + body


def count_rejection(app: Any, code: str) -> None:  # noqa: ANN401  an application of any framework
    """Count a request that no route has answered, if the service of the application runs."""
    if (service := getattr(app.state, "service", None)) is not None:
        service.metrics.count_rejection(code)


def count_slow_reader(app: Any) -> None:  # noqa: ANN401  as above
    """Count a connection whose client does not read, if the service of the application runs."""
    if (service := getattr(app.state, "service", None)) is not None:
        service.metrics.count_slow_reader()


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of an application leave it in that shape."""
    app.add_exception_handler(HTTPStatus.NOT_FOUND, _handle_unknown_address)
    app.add_exception_handler(HTTPStatus.METHOD_NOT_ALLOWED, _handle_wrong_method)
    # The framework raises what is not ours again, once it is answered.
    for kind in (PhizError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _handle_error)


async def _handle_error(request: Request, error: Exception) -> Response:
    return respond_to_error(error, request.scope)


async def _handle_unknown_address(request: Request, _error: Exception) -> Response:
    """Answer with the most similar route. The address itself is not repeated."""
    count_rejection(request.app, NOT_FOUND_CODE)
    path = request.scope["path"]
    # Interfaces of other servers are for programs that know them.
    routes = (route for route in request.app.state.methods if find_error_form(route) is None)
    others = [route for route in routes if route not in {path, "/"}]
    compared = path[:MAX_COMPARED_CHARACTERS].lower()
    if (known := ROUTES_BY_OTHER_NAME.get(compared.rstrip("/"))) is not None:
        nearest = [known]
    else:
        nearest = difflib.get_close_matches(compared, others, 1)
    hints = [f"did you mean {route}? " for route in nearest]
    detail = f"there is nothing at this address; {''.join(hints)}/docs lists the routes"
    return respond_to_error(HTTPException(HTTPStatus.NOT_FOUND, detail), request.scope)


async def _handle_wrong_method(request: Request, _error: Exception) -> Response:
    """Answer with the methods of all routes of the path; the framework has those of the first."""
    count_rejection(request.app, METHOD_CODE)
    allow = ", ".join(request.app.state.methods.get(request.scope["path"], FILE_METHODS))
    detail = f"{request.method} is not allowed at this address; use {allow}"
    error = HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": allow})
    return respond_to_error(error, request.scope)
