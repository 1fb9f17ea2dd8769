"""The errors of the HTTP interface in one table: status, code, cause and remedy of each.

Answers take their status from it, and ``/openapi.json`` and the reference (``docs/http.md``) their
descriptions.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple, Self

from phiz import errors

NOT_FOUND_CODE: Final = "not_found"
METHOD_CODE: Final = "method_not_allowed"
NOT_READY_CODE: Final = "not_ready"
INTERNAL_CODE: Final = errors.WorkerFaultError.code
MALFORMED_REQUEST_CODE: Final = "malformed_request"
UPGRADE_CODE: Final = "upgrade_required"
HEAD_SIZE_CODE: Final = "head_too_large"
HEAD_TIMEOUT_CODE: Final = "head_too_slow"
TRANSFER_CODING_CODE: Final = "unsupported_transfer_coding"


class ErrorEntry(NamedTuple):
    """A row of the table. Its texts are Markdown.

    Attributes:
        status: HTTP status.
        code: Stable name of the error.
        cause: Cause of the error.
        remedy: Advice for the caller.
    """

    status: HTTPStatus
    code: str
    cause: str
    remedy: str

    @classmethod
    def from_error(cls, kind: type[errors.PhizError], status: HTTPStatus) -> Self:
        """Return the row of a class of errors."""
        cause = (kind.__doc__ or "").partition("\n")[0].rstrip(".")
        return cls(status, kind.code, cause[:1].lower() + cause[1:], kind.remedy)


STATUS_BY_ERROR: Final[Mapping[type[errors.PhizError], HTTPStatus]] = {
    errors.EmptyImageError: HTTPStatus.BAD_REQUEST,
    errors.UndecodableImageError: HTTPStatus.BAD_REQUEST,
    errors.MalformedBodyError: HTTPStatus.BAD_REQUEST,
    errors.MissingImageError: HTTPStatus.BAD_REQUEST,
    errors.NoFaceError: HTTPStatus.BAD_REQUEST,
    errors.UrlDisabledError: HTTPStatus.FORBIDDEN,
    errors.UrlNotAllowedError: HTTPStatus.FORBIDDEN,
    errors.ApiKeyError: HTTPStatus.UNAUTHORIZED,
    errors.ScopeError: HTTPStatus.FORBIDDEN,
    errors.OriginError: HTTPStatus.FORBIDDEN,
    errors.StudyMissingError: HTTPStatus.NOT_FOUND,
    errors.NotAcceptableError: HTTPStatus.NOT_ACCEPTABLE,
    errors.UnknownModelError: HTTPStatus.NOT_FOUND,
    errors.BodyTimeoutError: HTTPStatus.REQUEST_TIMEOUT,
    errors.ImageBytesError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ImagePixelsError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.ExcessiveWorkError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.UnsupportedImageError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.ContentCodingError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    errors.RangeError: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    errors.OptionError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UrlUnreachableError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UrlAnswerError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UrlTimeoutError: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.RateLimitError: HTTPStatus.TOO_MANY_REQUESTS,
    errors.WorkerFaultError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.WorkerDiedError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.NotSupportedError: HTTPStatus.NOT_IMPLEMENTED,
    errors.OverloadedError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.OutOfMemoryError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ModelNotBuiltError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ModelCorruptError: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineError: HTTPStatus.GATEWAY_TIMEOUT,
}
"""Every error that a request can cause."""

ROUTELESS_ERRORS: Final = (
    ErrorEntry(
        HTTPStatus.BAD_REQUEST,
        MALFORMED_REQUEST_CODE,
        "the request is not HTTP/1.1, does not have one header `Host`, or has a body in tiny"
        " chunks; the connection is closed",
        "use an HTTP client, and an address that begins with `http://`",
    ),
    ErrorEntry(
        HTTPStatus.NOT_FOUND,
        NOT_FOUND_CODE,
        "there is no such address",
        "use the address that the detail names, or one of `/docs`",
    ),
    ErrorEntry(
        HTTPStatus.METHOD_NOT_ALLOWED,
        METHOD_CODE,
        "the address does not support this method",
        "use a method that the header `Allow` lists",
    ),
    ErrorEntry(
        HTTPStatus.REQUEST_TIMEOUT,
        HEAD_TIMEOUT_CODE,
        "the request line and headers were not complete after 20 seconds; the connection is closed",
        "send them at once, or use a faster connection",
    ),
    ErrorEntry(
        HTTPStatus.UPGRADE_REQUIRED,
        UPGRADE_CODE,
        "the address is that of a WebSocket, and the request is none of version 13",
        "use a WebSocket client, and an address that begins with `ws://`",
    ),
    ErrorEntry(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        HEAD_SIZE_CODE,
        "the request line and headers exceed 64 KiB or 100 lines; the connection is closed",
        "send fewer or shorter headers, such as cookies",
    ),
    ErrorEntry(
        HTTPStatus.NOT_IMPLEMENTED,
        TRANSFER_CODING_CODE,
        "the header `Transfer-Encoding` is not just `chunked`; the connection is closed",
        "send the body with a `Content-Length`, or with `chunked` alone",
    ),
)
"""Errors of requests that reach no route."""

NOT_READY_ERROR: Final = ErrorEntry(
    HTTPStatus.SERVICE_UNAVAILABLE,
    NOT_READY_CODE,
    "the service is starting or stopping",
    "try again after the seconds given in the header `Retry-After`",
)

ERROR_TABLE: Final = sorted(
    (
        *(ErrorEntry.from_error(kind, status) for kind, status in STATUS_BY_ERROR.items()),
        *ROUTELESS_ERRORS,
        NOT_READY_ERROR,
    ),
    key=lambda entry: entry.status,
)
ERRORS_BY_CODE: Final[Mapping[str, ErrorEntry]] = {entry.code: entry for entry in ERROR_TABLE}


def format_error_table() -> str:
    """Return the table in Markdown."""
    lines = ["| status | code | cause | remedy |", "|---|---|---|---|"]
    lines += [
        f"| {int(status)} | `{code}` | {cause} | {remedy} |"
        for status, code, cause, remedy in ERROR_TABLE
    ]
    return "\n".join(lines)
