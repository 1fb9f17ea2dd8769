"""A connection with limits on the heads of requests, which early answers end gracefully."""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from phiz.api.errors import encode_last_response
from phiz.api.server.request_head import (
    MAX_HEAD_BYTES,
    RequestHeadError,
    build_size_error,
    build_trailer_error,
    check_head,
    explain_parser_error,
)

UPGRADE_HEADERS: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})
HEAD_TIMEOUT_S: Final = 20.0  # of a head, from the connection or from its first byte
# A shorter rest of a body is read and discarded, because a new connection would cost more.
MAX_DISCARDED_BYTES: Final = 256 * 1024
LINGER_TIMEOUT_S: Final = 5.0


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's with limits on the size and time of a head.

    A client that still sends its body would never see an early answer if the connection were
    closed: its system reports the reset first. So the connection is closed for writing alone, and
    the rest is read and discarded for a while (RFC 9112, section 9.6).
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401  uvicorn's
        on_refusal: Callable[[str], None],
        head_timeout_s: float = HEAD_TIMEOUT_S,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Wait for a request.

        Args:
            args: Arguments that uvicorn gives to a protocol.
            on_refusal: Called with the error code of each request that is refused here.
            head_timeout_s: Maximum seconds until a request's line and headers are complete.
            kwargs: As ``args``.
        """
        super().__init__(*args, **kwargs)
        self._inner_app = self.app
        self.app = self._run_app
        self._on_refusal = on_refusal
        self._head_timeout_s = head_timeout_s
        self._is_receiving = False  # whether a request has begun and is not complete
        self._is_receiving_head = False  # whether its head is not complete
        self._head_bytes = 0  # of the head, after the chunk that it began in
        self._has_body = False  # whether the last data had a part of the body
        self._trailer_bytes = 0  # since the last part of the body
        self._timer: asyncio.TimerHandle | None = None
        self._is_lingering = False
        self._answered_cycle: RequestResponseCycle | None = None  # the last one that began

    def connection_made(  # type: ignore[override]  # a server's transport is one
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for the first request, for a limited time."""
        super().connection_made(transport)
        self._abort_after(self._head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, and end the request that is being answered."""
        self._cancel_timer()
        # uvicorn ends the last of pipelined requests, which has not begun.
        if self._answered_cycle is not None and not self._answered_cycle.response_complete:
            self._answered_cycle.disconnected = True
            self._answered_cycle.message_event.set()
        self.pipeline.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        self._unset_keepalive_if_required()
        if self._is_lingering:
            return
        while data:
            try:
                self._feed_parser(data)
                data = b""
            except HttpParserUpgrade as upgrade:
                data = self._strip_upgrade(data[upgrade.args[0] :])
            except (HttpParserError, RequestHeadError) as error:
                self._refuse(error)
                data = b""
        if self._timer is None and not self._is_busy():
            self._abort_after(
                self._head_timeout_s if self._is_receiving else self.timeout_keep_alive
            )

    def on_message_begin(self) -> None:
        """Begin a request (httptools)."""
        self._is_receiving = self._is_receiving_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the answer to a request (httptools).

        Raises:
            RequestHeadError: As ``check_head``.
        """
        check_head(self.url, self.headers, self.parser.get_http_version())
        if self.parser.should_upgrade():
            return  # there is no other protocol here; see below
        self._is_receiving_head = False
        self._head_bytes = self._trailer_bytes = 0
        self._cancel_timer()
        super().on_headers_complete()
        # The trailers of a chunked body would be added to the headers (RFC 9110, section 6.5.1).
        self.headers = deque(maxlen=0)  # type: ignore[assignment]  # keeps nothing

    def on_body(self, body: bytes) -> None:
        """Read a part of a request's body (httptools)."""
        self._has_body = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request's body (httptools)."""
        if self.parser.should_upgrade():
            return
        self._is_receiving = False
        if not self._is_busy():  # answered long ago
            self._cancel_timer()
        super().on_message_complete()

    def close_lingering(self) -> None:
        """Close for writing, and close entirely when the client has had time to read."""
        if self._is_lingering or self.transport.is_closing():
            return
        self._is_lingering = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self._cancel_timer()
        self._abort_after(LINGER_TIMEOUT_S)

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        self._answered_cycle = send.__self__  # type: ignore[attr-defined]  # uvicorn's, bound
        if self.cycle.more_body:
            send = partial(self._send_early, send)
        await self._inner_app(scope, receive, send)

    async def _send_early(self, send: Send, message: Message) -> None:
        """Send a part of an answer to a request whose body may be incomplete."""
        # A pipelined request behind it is answered by closing.
        if message["type"] == "http.response.start" and not self.pipeline:
            cycle = self.cycle
            if cycle.more_body and not _is_body_short(cycle):
                cycle.keep_alive = False
                cycle.transport = _LingeringTransport(self, cycle.transport)
        await send(message)

    def _feed_parser(self, data: bytes) -> None:
        """Feed the parser.

        Raises:
            RequestHeadError: A head of the maximum size is not complete, or neither are trailers.
            HttpParserError: The data is not HTTP.
            HttpParserUpgrade: The request asks for another protocol.
        """
        if self._is_receiving_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise build_size_error()
        self._has_body = False
        self.parser.feed_data(data)
        if self._has_body or self._is_receiving_head or not self._is_receiving:
            self._trailer_bytes = 0
            return
        self._trailer_bytes += len(data)
        if self._trailer_bytes > MAX_HEAD_BYTES:
            raise build_trailer_error()

    def _strip_upgrade(self, rest: bytes) -> bytes:
        """Return a request without its wish for another protocol, and the rest after its head.

        The parser takes everything after such a head for the other protocol, and would lose the
        body. Java's client asks for HTTP/2 by default.
        """
        if self.parser.get_method() == b"CONNECT":
            self._refuse(HttpParserUpgrade())
            return b""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] not in UPGRADE_HEADERS]
        self.parser = HttpRequestParser(self)
        self._is_receiving_head = False
        self._head_bytes = 0
        return b"\r\n".join([*lines, b"", rest])

    def _is_busy(self) -> bool:
        """Return whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, error: Exception) -> None:
        """Answer a request that cannot be read, and end the connection."""
        refusal = explain_parser_error(error, self.headers or ())
        self._on_refusal(refusal.code)
        if self._is_busy():
            if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
                self.transport.close()  # an answer here would be taken for that to another request
                return
            self.cycle.disconnected = True  # it was the body
            self.cycle.message_event.set()
        self.transport.write(encode_last_response(refusal.code, refusal.detail))
        self.close_lingering()

    def _abort_after(self, delay_s: float) -> None:
        self._timer = self.loop.call_later(delay_s, self.transport.abort)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _LingeringTransport(asyncio.Transport):
    """Transport of an early answer. Instead of closing, the connection lingers."""

    def __init__(self, connection: Connection, transport: asyncio.Transport) -> None:
        super().__init__()
        self._connection = connection
        self._transport = transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._connection.close_lingering()


def _is_body_short(cycle: RequestResponseCycle) -> bool:
    """Return whether the rest of a body will certainly arrive, and is short."""
    if cycle.waiting_for_100_continue:  # told no, the client may send it or leave it
        return False
    length = dict(cycle.scope["headers"]).get(b"content-length", b"")
    return length.isdigit() and int(length) <= MAX_DISCARDED_BYTES
