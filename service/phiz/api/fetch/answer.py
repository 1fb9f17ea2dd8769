"""The answer of a host to one request for an image, read within limits.

httptools parses it in C. Parsers in Python take so long for many small chunks or interim answers
that one hostile host would keep the event loop from all other requests.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, TypeAlias

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from phiz.errors import ImageBytesError, UrlAnswerError, UrlTimeoutError

ByteCounter: TypeAlias = Callable[[int], None]
"""Counts received bytes; it may raise an OverloadedError."""

READ_BYTES: Final = 64 * 1024
READ_TIMEOUT_S: Final = 5.0  # without a single byte
# Of headers, interim answers, and the frames of chunks; and a share of the body for the last.
MAX_OVERHEAD_BYTES: Final = 64 * 1024
MAX_OVERHEAD_SHARE: Final = 1 / 16


@dataclass(slots=True, eq=False)
class HostAnswer:
    """An answer as the parser finds it.

    Attributes:
        status: HTTP status; 0 before the headers are complete, and for interim answers.
        headers: Headers by name in lower case.
        body: The body so far.
        is_complete: Whether the body has ended.
    """

    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    is_complete: bool = False
    parser: HttpResponseParser = field(init=False)

    def __post_init__(self) -> None:
        self.parser = HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header (httptools); trailers are dropped."""
        if not self.status:
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Read the status (httptools)."""
        status = self.parser.get_status_code()
        if status < HTTPStatus.OK:
            self.headers.clear()
        elif not self.status:
            self.status = status

    def on_body(self, body: bytes) -> None:
        """Read a part of the body (httptools)."""
        if not self.is_complete:
            self.body += body

    def on_message_complete(self) -> None:
        """End the answer, unless it is an interim one (httptools)."""
        self.is_complete = self.status > 0

    def feed(self, received: bytes) -> None:
        """Read some bytes; none at the end of the connection.

        Raises:
            UrlAnswerError: They are not HTTP, or the answer is not complete at the end.
        """
        try:
            self.parser.feed_data(received)
        except (HttpParserError, HttpParserUpgrade):
            if not self.is_complete:
                raise _build_connection_error() from None
        if not received and not self.is_complete:
            raise _build_connection_error()


async def read_answer(
    reader: asyncio.StreamReader, max_bytes: int, count_bytes: ByteCounter
) -> HostAnswer:
    """Return the answer on a connection: complete if its status is 200, else without its body.

    Args:
        reader: The connection.
        max_bytes: Maximum bytes of the body.
        count_bytes: Counts the bytes of the body as they arrive.

    Raises:
        UrlAnswerError: The answer is not HTTP, is compressed, ends early, or is mostly overhead.
        UrlTimeoutError: The host sends nothing.
        ImageBytesError: The body has more bytes than the limit, as announced or so far.
        OverloadedError: ``count_bytes`` raised it.
    """
    answer = HostAnswer()
    received_bytes = body_bytes = 0
    while not answer.is_complete:
        received = await _read_bytes(reader)
        answer.feed(received)
        if answer.status not in {0, HTTPStatus.OK}:
            break
        if answer.status:
            _check_headers(answer.headers, max_bytes)
        count_bytes(len(answer.body) - body_bytes)
        received_bytes += len(received)
        body_bytes = len(answer.body)
        if body_bytes > max_bytes:
            raise _build_size_error(f"{body_bytes} bytes have arrived from the url", max_bytes)
        if received_bytes - body_bytes > MAX_OVERHEAD_BYTES + MAX_OVERHEAD_SHARE * body_bytes:
            raise UrlAnswerError(
                f"the host of the url sent more than {MAX_OVERHEAD_BYTES} bytes that are not of the"
                " image, such as headers; send the image itself"
            )
    return answer


async def _read_bytes(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await reader.read(READ_BYTES)
    except TimeoutError:
        raise UrlTimeoutError(
            f"the host of the url sent nothing for {READ_TIMEOUT_S:g} s; send the image itself, or"
            " try again later"
        ) from None
    except OSError:
        raise _build_connection_error() from None


def _check_headers(headers: Mapping[bytes, bytes], max_bytes: int) -> None:
    """Refuse a body by its headers.

    Raises:
        UrlAnswerError: It is compressed, or its end would not be known.
        ImageBytesError: Its length exceeds the limit.
    """
    if not headers.keys() & {b"content-length", b"transfer-encoding"}:
        raise UrlAnswerError(
            "the answer of the host of the url has no Content-Length and no chunks, so a part of"
            " the image could be taken for the whole; send the image itself"
        )
    if headers.get(b"content-encoding", b"").lower() not in {b"", b"identity"}:
        raise UrlAnswerError(
            "the host of the url compressed its answer, which was not asked for; send the image"
            " itself"
        )
    length = int(headers.get(b"content-length", b"0"))  # the parser has checked it
    if length > max_bytes:
        raise _build_size_error(f"the image at the url has {length} bytes", max_bytes)


def _build_size_error(found: str, max_bytes: int) -> ImageBytesError:
    return ImageBytesError(f"{found}; the limit is {max_bytes}; use a smaller image")


def _build_connection_error() -> UrlAnswerError:
    return UrlAnswerError(
        "the host of the url ended the connection early, or its answer is not HTTP; check the"
        " address, or send the image itself"
    )
