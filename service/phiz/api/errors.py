"""Errors as answers: RFC 9457 problems, with the statuses of the error table."""

import difflib
import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from phiz.api.error_table import (
    ERRORS_BY_CODE,
    INTERNAL_CODE,
    METHOD_CODE,
    NOT_FOUND_CODE,
    NOT_READY_CODE,
)
from phiz.api.request_record import get_record
from phiz.errors import BodyTimeoutError, ContentCodingError, OverloadedError, PhizError
from phiz.wire.schemas import JsonObject

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER: Mapping[str, str] = {"Retry-After": "1"}  # seconds
HEADERS_BY_ERROR: Mapping[type[PhizError], Mapping[str, str]] = {
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
}
DISCONNECTED_CODE = "disconnected"
FILE_METHODS: Final = ("GET", "HEAD")  # of the files of /docs, which are no routes
MAX_COMPARED_CHARACTERS: Final = 64  # of an address; comparing takes the square of its length


class NotReadyError(HTTPException):
    """The models are not loaded yet, or the service is about to stop."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the service is starting or stopping; try again in a moment",
            dict(RETRY_AFTER),
        )


def get_status(kind: type[PhizError]) -> HTTPStatus:
    """Return the status of a class of errors: 500 if no request can cause it."""
    entry = ERRORS_BY_CODE.get(kind.code)
    return HTTPStatus.INTERNAL_SERVER_ERROR if entry is None else entry.status


def get_error_code(error: BaseException) -> str:
    """Return the code under which an error is counted."""
    if isinstance(error, PhizError):
        return error.code
    if isinstance(error, HTTPException):
        return FRAMEWORK_CODES.get(error.status_code, INTERNAL_CODE)
    if isinstance(error, ClientDisconnect):
        return DISCONNECTED_CODE
    return INTERNAL_CODE


def build_problem(error: Exception) -> JsonObject:
    """Return an error in the shape of RFC 9457. Errors that are not ours are not described."""
    if isinstance(error, PhizError):
        return build_content(get_status(type(error)), error.code, str(error))
    return build_content(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        INTERNAL_CODE,
        "the service failed; its log has the details",
    )


def build_content(status: int, code: str, detail: str) -> JsonObject:
    """Return the members of a problem."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "code": code,
        "detail": detail,
    }


def _build_response(content: JsonObject, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(content), content["status"], dict(headers or {}), PROBLEM_JSON)


def respond_to_error(error: Exception, scope: Scope) -> Response:
    """Return the answer to an error, and note its code in the record of the request.

    Args:
        error: One that is not ours is not told to the caller.
        scope: Of the request.
    """
    get_record(scope).error_code = get_error_code(error)
    if isinstance(error, ClientDisconnect):
        # Nobody is there to read it, but an answer is what the server expects of us.
        return Response(status_code=HTTPStatus.BAD_REQUEST)
    if isinstance(error, NotReadyError):
        return _build_response(
            build_content(error.status_code, NOT_READY_CODE, error.detail), error.headers
        )
    headers = HEADERS_BY_ERROR.get(type(error)) if isinstance(error, PhizError) else None
    if isinstance(error, OverloadedError):
        headers = {"Retry-After": str(math.ceil(error.retry_after_s))}
    return _build_response(build_problem(error), headers)


def encode_last_response(code: str, detail: str) -> bytes:
    """Return a whole answer to a request that cannot be read, the last on its connection."""
    status = ERRORS_BY_CODE[code].status
    body = json.dumps(build_content(status, code, detail)).encode()
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: {PROBLEM_JSON}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


def count_rejection(app: Any, code: str) -> None:  # noqa: ANN401  an application of any framework
    """Count a request that no route has answered, if the service of the application runs."""
    service = getattr(app.state, "service", None)
    if service is not None:
        service.metrics.count_rejection(code)


def add_error_handlers(app: FastAPI) -> None:
    """Let every error of an application leave it in that shape."""
    app.add_exception_handler(HTTPException, _handle_framework_error)
    # The framework passes what is not ours on to the server, which logs it with its traceback.
    for kind in (PhizError, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _handle_error)


async def _handle_error(request: Request, error: Exception) -> Response:
    return respond_to_error(error, request.scope)


async def _handle_framework_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = FRAMEWORK_CODES.get(error.status_code, "http_error")
    detail, headers = error.detail, error.headers
    if code == METHOD_CODE:
        # The framework names only the methods of the first route with this path.
        allow = ", ".join(request.app.state.methods.get(request.scope["path"], FILE_METHODS))
        detail = f"{request.method} is not allowed at this address; use {allow}"
        headers = {"Allow": allow}
        count_rejection(request.app, code)
    elif code == NOT_FOUND_CODE:
        detail = f"there is nothing at this address; {_name_nearest_path(request)}"
        count_rejection(request.app, code)
    get_record(request.scope).error_code = code
    return _build_response(build_content(error.status_code, code, detail), headers)


def _name_nearest_path(request: Request) -> str:
    """Return a hint with the path of the most similar route, in our own words alone."""
    path = request.scope["path"]
    others = request.app.state.methods.keys() - {path}
    nearest = difflib.get_close_matches(path[:MAX_COMPARED_CHARACTERS].lower(), others, 1)
    return "".join(f"did you mean {route}? " for route in nearest) + "/docs lists the routes"
