"""The head of a request: its limits, and the errors of heads that cannot be read."""

from collections.abc import Sequence
from itertools import chain
from typing import Final, TypeAlias

from phiz.api.error_table import (
    HEAD_SIZE_CODE,
    HEAD_TIMEOUT_CODE,
    MALFORMED_REQUEST_CODE,
    TRANSFER_CODING_CODE,
)
from phiz.errors import OverloadedError

HeaderLines: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, and values."""

MAX_HEAD_BYTES: Final = 64 * 1024  # of line and headers; the cookies of browsers have 4 KiB each
MAX_HEADERS: Final = 100
# Further chunks of one read, in addition to one for each of so many bytes of the body. The service
# takes a microsecond for a chunk, and would answer nobody else for seconds.
MAX_TINY_CHUNKS: Final = 1000
MIN_CHUNK_BYTES: Final = 64
_HTTP_VERSIONS: Final = ("1.1", "1.0")


class RequestHeadError(Exception):
    """A request cannot be answered, because of its head.

    Attributes:
        code: Code of the error.
        detail: The error and its remedy.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


def check_head(url: bytes, headers: HeaderLines, http_version: str) -> None:
    """Check the complete head of a request.

    Raises:
        RequestHeadError: It is HTTP/0.9 or too large, or does not have one ``Host`` (RFC 9112
            section 3.2), or the body has an unsupported transfer coding.
    """
    if http_version not in _HTTP_VERSIONS:
        raise RequestHeadError(
            MALFORMED_REQUEST_CODE,
            f"the request is HTTP/{http_version}, which is not supported; use HTTP/1.1",
        )
    size = len(url) + sum(map(len, chain.from_iterable(headers)))
    if size > MAX_HEAD_BYTES or len(headers) > MAX_HEADERS:
        raise build_size_error()
    names = [name for name, _ in headers]
    hosts = names.count(b"host")
    if hosts != 1 and (hosts or http_version == "1.1"):
        raise RequestHeadError(
            MALFORMED_REQUEST_CODE,
            f"the request has {hosts or 'no'} Host header{'s' * (hosts > 1)}; send one with the"
            " name of the service",
        )
    if b"transfer-encoding" in names:
        check_transfer_coding(headers)


def check_transfer_coding(headers: HeaderLines) -> None:
    """Check the transfer codings of a body.

    Raises:
        RequestHeadError: One of them is not ``chunked``.
    """
    values = [value for name, value in headers if name == b"transfer-encoding"]
    if any(coding.strip().lower() != b"chunked" for coding in b",".join(values).split(b",")):
        raise RequestHeadError(
            TRANSFER_CODING_CODE,
            "the header Transfer-Encoding has a coding other than chunked; send the body with a"
            " Content-Length, or with chunked alone",
        )


def build_size_error() -> RequestHeadError:
    """Return the error of a head that is too large."""
    return RequestHeadError(
        HEAD_SIZE_CODE,
        f"the request head is too large; the limit is {MAX_HEADERS} headers and {MAX_HEAD_BYTES}"
        " bytes, including the address; send fewer or shorter headers",
    )


def build_trailer_error() -> RequestHeadError:
    """Return the error of trailers that are too large."""
    return RequestHeadError(
        HEAD_SIZE_CODE,
        f"the trailers of the request are too large; the limit is {MAX_HEADERS} trailers and"
        f" {MAX_HEAD_BYTES} bytes; send none",
    )


def build_timeout_error(timeout_s: float) -> RequestHeadError:
    """Return the error of a head that was not complete in time."""
    return RequestHeadError(
        HEAD_TIMEOUT_CODE,
        f"the request head was not complete after the limit of {timeout_s:g} s; send it at once",
    )


def build_places_error(max_connections: int) -> RequestHeadError:
    """Return the error of a connection that gives its place to another one."""
    return RequestHeadError(
        OverloadedError.code,
        f"the service has the limit of {max_connections} connections; close those that you do not"
        " use, and try again in a moment",
    )


def build_unread_error(max_bytes: int) -> RequestHeadError:
    """Return the error of requests that wait for the answer to another one, if they are many."""
    return RequestHeadError(
        OverloadedError.code,
        f"the requests behind unanswered ones exceed the limit of {max_bytes} bytes, of all"
        " connections together; wait for an answer before you send the next request",
    )


def build_chunks_error() -> RequestHeadError:
    """Return the error of a body in chunks that are too small."""
    return RequestHeadError(
        MALFORMED_REQUEST_CODE,
        f"the body has more than {MAX_TINY_CHUNKS} chunks, of fewer than {MIN_CHUNK_BYTES} bytes on"
        " average; send larger chunks, or a Content-Length",
    )


def explain_parser_error(error: Exception, headers: HeaderLines) -> RequestHeadError:
    """Return the error of a request that the parser refuses.

    Args:
        error: Of the parser. An error of a callback is its context.
        headers: Headers that were read before the error.
    """
    for known in (error, error.__context__):
        if isinstance(known, RequestHeadError):
            return known
    try:
        # The parser refuses other codings too, but as malformed.
        if any(name == b"transfer-encoding" for name, _ in headers):
            check_transfer_coding(headers)
    except RequestHeadError as coding_error:
        return coding_error
    return RequestHeadError(
        MALFORMED_REQUEST_CODE,
        f"the request is not HTTP/1.1{f': {error}' if str(error) else ''}; use an HTTP client, and"
        " an address that begins with http://",
    )
