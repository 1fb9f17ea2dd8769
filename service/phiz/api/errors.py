"""What an error looks like over HTTP: one table from class to status, one shape."""

import json
import math
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Scope

from phiz.api.request_record import get_record
from phiz.errors import (
    BodyTimeoutError,
    DeadlineError,
    ImageBytesError,
    ImageError,
    ImagePixelsError,
    ModelError,
    OptionError,
    OverloadedError,
    PhizError,
    RequestError,
    SettingError,
    StudyMissingError,
    UnsupportedImageError,
    WorkError,
)
from phiz.wire.schemas import JsonObject

PROBLEM_JSON = "application/problem+json"

STATUS_BY_ERROR: Mapping[type[PhizError], HTTPStatus] = {
    ImageError: HTTPStatus.BAD_REQUEST,
    UnsupportedImageError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ImageBytesError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ImagePixelsError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    RequestError: HTTPStatus.BAD_REQUEST,
    BodyTimeoutError: HTTPStatus.REQUEST_TIMEOUT,
    OptionError: HTTPStatus.UNPROCESSABLE_ENTITY,
    OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineError: HTTPStatus.GATEWAY_TIMEOUT,
    WorkError: HTTPStatus.INTERNAL_SERVER_ERROR,
    ModelError: HTTPStatus.SERVICE_UNAVAILABLE,
    SettingError: HTTPStatus.INTERNAL_SERVER_ERROR,
    StudyMissingError: HTTPStatus.NOT_FOUND,
}
"""A class that is not here has the status of the nearest one above it that is."""

RETRY_AFTER: Mapping[str, str] = {"Retry-After": "1"}  # seconds
HEADERS_BY_ERROR: Mapping[type[PhizError], Mapping[str, str]] = {
    # RFC 9110 section 15.5.9; without it the rest of the body would still be waited for.
    BodyTimeoutError: {"Connection": "close"},
}
"""What the answer to an error of just this class has beside its content."""

FRAMEWORK_CODES: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.SERVICE_UNAVAILABLE: "not_ready",
}
INTERNAL_CODE = "internal"
DISCONNECTED_CODE = "disconnected"


class NotReadyError(HTTPException):
    """The models are not loaded yet, or the service is about to stop."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the service is starting or stopping; try again in a moment",
            dict(RETRY_AFTER),
        )


def get_status(kind: type[PhizError]) -> HTTPStatus:
    """Return the status of a class of errors.

    Raises:
        LookupError: Neither the class nor one above it is in the table.
    """
    for ancestor in kind.__mro__:
        if ancestor in STATUS_BY_ERROR:
            return STATUS_BY_ERROR[ancestor]
    raise LookupError(f"{kind.__name__} has no status")


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
    """Return an error in the shape of RFC 9457.

    Args:
        error: One that is not ours is not told.
    """
    if isinstance(error, PhizError):
        return _build_content(get_status(type(error)), error.code, str(error))
    return _build_content(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        INTERNAL_CODE,
        "the service failed; its log has the details",
    )


def _build_content(status: int, code: str, detail: str) -> JsonObject:
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
            _build_content(error.status_code, FRAMEWORK_CODES[error.status_code], error.detail),
            error.headers,
        )
    headers = HEADERS_BY_ERROR.get(type(error)) if isinstance(error, PhizError) else None
    if isinstance(error, OverloadedError):
        headers = {"Retry-After": str(math.ceil(error.retry_after_s))}
    return _build_response(build_problem(error), headers)


def encode_last_response(status: HTTPStatus, code: str, detail: str) -> bytes:
    """Return a whole answer to what is no request, the last on its connection."""
    body = json.dumps(_build_content(status, code, detail)).encode()
    head = (
        f"HTTP/1.1 {int(status)} {status.phrase}\r\ncontent-type: {PROBLEM_JSON}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


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
    detail = error.detail
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = (error.headers or {}).get("Allow", "")
        detail = f"{request.method} is not allowed at this address; use {allow}"
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "there is nothing at this address; /docs lists the routes"
    get_record(request.scope).error_code = code
    return _build_response(_build_content(error.status_code, code, detail), error.headers)
