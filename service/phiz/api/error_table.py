"""The errors of the HTTP interface in one table: status, code, cause and remedy of each.

Answers take their status from it, and ``/openapi.json`` and the reference (``docs/http.md``) their
descriptions.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from phiz import errors

NOT_FOUND_CODE: Final = "not_found"
METHOD_CODE: Final = "method_not_allowed"
NOT_READY_CODE: Final = "not_ready"
INTERNAL_CODE: Final = errors.WorkerFaultError.code
MALFORMED_REQUEST_CODE: Final = "malformed_request"
HEAD_SIZE_CODE: Final = "head_too_large"
TRANSFER_CODING_CODE: Final = "unsupported_transfer_coding"
ROUTELESS_CODES: Final = (
    *(NOT_FOUND_CODE, METHOD_CODE),
    *(MALFORMED_REQUEST_CODE, HEAD_SIZE_CODE, TRANSFER_CODING_CODE),
)
"""Errors of requests that reach no route."""


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


ERROR_TABLE: Final = (
    ErrorEntry(
        HTTPStatus.BAD_REQUEST,
        errors.EmptyImageError.code,
        "the image has no bytes",
        "send the content of the file; check that the file is not empty",
    ),
    ErrorEntry(
        HTTPStatus.BAD_REQUEST,
        errors.UndecodableImageError.code,
        "the header is an image's, but the rest is damaged, truncated or without pixels",
        "send the complete file",
    ),
    ErrorEntry(
        HTTPStatus.BAD_REQUEST,
        errors.MalformedBodyError.code,
        "the body does not match its content type, or curl's `-d` changed the image",
        "leave the header `Content-Type` of a form to the client; with curl, use `-F` or"
        " `--data-binary`",
    ),
    ErrorEntry(
        HTTPStatus.BAD_REQUEST,
        errors.MissingImageError.code,
        "the form has no field `image`, or the field has a file name instead of a file",
        "name the field `image`; with curl, write `@` before the file name: `-F image=@face.jpg`",
    ),
    ErrorEntry(
        HTTPStatus.BAD_REQUEST,
        MALFORMED_REQUEST_CODE,
        "the request is not HTTP/1.1, or does not have one header `Host`; the connection is closed",
        "use an HTTP client, and an address that begins with `http://`",
    ),
    ErrorEntry(
        HTTPStatus.NOT_FOUND,
        NOT_FOUND_CODE,
        "no such address",
        "use the address that the detail names, or one of `/docs`",
    ),
    ErrorEntry(
        HTTPStatus.NOT_FOUND,
        errors.StudyMissingError.code,
        "this machine has not been measured yet (`GET /study`)",
        "run `phiz study` on the machine of the service",
    ),
    ErrorEntry(
        HTTPStatus.METHOD_NOT_ALLOWED,
        METHOD_CODE,
        "the address has no such method",
        "use a method that the header `Allow` lists",
    ),
    ErrorEntry(
        HTTPStatus.REQUEST_TIMEOUT,
        errors.BodyTimeoutError.code,
        "the body was not complete after `PHIZ_BODY_TIMEOUT` seconds; the connection is closed",
        "send a smaller image, or use a faster connection",
    ),
    ErrorEntry(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        errors.ImageBytesError.code,
        "more than `PHIZ_MAX_BYTES`; refused before the body is read if its length is known",
        "send a smaller file, such as a JPEG",
    ),
    ErrorEntry(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        errors.ImagePixelsError.code,
        "more than `PHIZ_MAX_PIXELS`; refused by the image header, before a pixel is decoded",
        "send a smaller image",
    ),
    ErrorEntry(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        errors.UnsupportedImageError.code,
        "not an image, or an unsupported format or compression; the detail names known formats",
        "send a JPEG or a PNG, as bytes",
    ),
    ErrorEntry(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        errors.ContentCodingError.code,
        "the body has a `Content-Encoding`; refused before it is read",
        "send the body without compression, as the header `Accept-Encoding: identity` says",
    ),
    ErrorEntry(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        errors.OptionError.code,
        "an unknown option, a repeated option, or a value out of range",
        "use a value that the detail lists",
    ),
    ErrorEntry(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        HEAD_SIZE_CODE,
        "request line and headers exceed 64 KiB or 100 lines; the connection is closed",
        "send fewer or shorter headers, such as cookies",
    ),
    ErrorEntry(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        INTERNAL_CODE,
        "an error of the service; the log has it, without the image",
        "report it with the `X-Request-Id` of the answer",
    ),
    ErrorEntry(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        errors.WorkerDiedError.code,
        "the process that worked on the image ended (killed, out of memory); it has been replaced",
        "send a smaller image if it happens again",
    ),
    ErrorEntry(
        HTTPStatus.NOT_IMPLEMENTED,
        TRANSFER_CODING_CODE,
        "the header `Transfer-Encoding` has another value than `chunked`; the connection is closed",
        "send the body with a `Content-Length`, or with `chunked` alone",
    ),
    ErrorEntry(
        HTTPStatus.SERVICE_UNAVAILABLE,
        NOT_READY_CODE,
        "the service is starting or stopping; with `Retry-After`",
        "try again after that time",
    ),
    ErrorEntry(
        HTTPStatus.SERVICE_UNAVAILABLE,
        errors.OverloadedError.code,
        "the answer would be late, `PHIZ_QUEUE` detections wait, or the pending bodies have too"
        " many bytes; with `Retry-After`",
        "try again after that time, or give the service more processors",
    ),
    ErrorEntry(
        HTTPStatus.SERVICE_UNAVAILABLE,
        errors.ModelNotBuiltError.code,
        "the requested classifier is not built",
        "run the command of the detail on the machine of the service",
    ),
    ErrorEntry(
        HTTPStatus.SERVICE_UNAVAILABLE,
        errors.ModelCorruptError.code,
        "the file of the classifier differs from the catalogue; the log names it",
        "build the classifier again",
    ),
    ErrorEntry(
        HTTPStatus.GATEWAY_TIMEOUT,
        errors.DeadlineError.code,
        "the answer was not ready after `PHIZ_DEADLINE` seconds, or after those of `Phiz-Deadline`",
        "send a smaller image, choose a faster model, or try again later",
    ),
)
"""By status; the first of a status is its example in ``/openapi.json``."""

ERRORS_BY_CODE: Final[Mapping[str, ErrorEntry]] = {entry.code: entry for entry in ERROR_TABLE}


def format_error_table() -> str:
    """Return the table in Markdown."""
    lines = ["| status | code | cause | remedy |", "|---|---|---|---|"]
    lines += [
        f"| {int(status)} | `{code}` | {cause} | {remedy} |"
        for status, code, cause, remedy in ERROR_TABLE
    ]
    return "\n".join(lines)
