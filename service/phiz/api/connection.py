"""A connection: what it may cost before there is a request, and how an early answer ends it."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from phiz.api.errors import encode_last_response
from phiz.api.request_head import (
    MAX_HEAD_BYTES,
    RequestHeadError,
    build_size_error,
    check_head,
    explain_parser_error,
)

UPGRADE_HEADERS: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})
HEAD_TIMEOUT_S: Final = 20.0  # until they are there, from the connection or from their first byte
# What is left of a body that short is read and forgotten, and the connection is kept: a new one
# would cost both ends more.
MAX_DISCARDED_BYTES: Final = 256 * 1024
LINGER_TIMEOUT_S: Final = 5.0


class Connection(HttpToolsProtocol):
    """One connection of uvicorn's, with bounds on all that comes before there is a request.

    A client that is answered before the last byte of its body would be interrupted if the
    connection were closed then: the system tells it so at once, and it never sees the answer.
    So our end of the connection is closed for writing alone, and what still comes is read and
    forgotten, for a while (RFC 9112, section 9.6).
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
        self._is_receiving = False  # whether a part of a request is here, and a part is not
        self._is_receiving_head = False  # whether that is a part of its head
        self._head_bytes = 0  # of it, behind the chunk that it began in
        self._timer: asyncio.TimerHandle | None = None
        self._is_lingering = False

    def connection_made(  # type: ignore[override]  # a server's transport is one
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for the first request, and not for ever."""
        super().connection_made(transport)
        self._abort_after(self._head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._cancel_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
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
        """Have a request answered (httptools).

        Raises:
            RequestHeadError: As ``check_head``.
        """
        check_head(self.url, self.headers, self.parser.get_http_version())
        if self.parser.should_upgrade():
            return  # there is no other protocol here; see below
        self._is_receiving_head = False
        self._head_bytes = 0
        self._cancel_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request's body (httptools)."""
        if self.parser.should_upgrade():
            return
        self._is_receiving = False
        if not self._is_busy():  # answered long ago
            self._cancel_timer()
        super().on_message_complete()

    def close_lingering(self) -> None:
        """End the connection once the client has had the time to read what it was told."""
        if self._is_lingering or self.transport.is_closing():
            return
        self._is_lingering = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self._cancel_timer()
        self._abort_after(LINGER_TIMEOUT_S)

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered (ASGI)."""
        if self.cycle.more_body:
            send = partial(self._send_early, send)
        await self._inner_app(scope, receive, send)

    async def _send_early(self, send: Send, message: Message) -> None:
        """Send a part of an answer to a request whose body may not all be here."""
        # Who waits for an answer while his body comes is the last of his connection.
        if message["type"] == "http.response.start" and not self.pipeline:
            cycle = self.cycle
            if cycle.more_body and not _is_body_short(cycle):
                cycle.keep_alive = False
                cycle.transport = _LingeringTransport(self, cycle.transport)
        await send(message)

    def _feed_parser(self, data: bytes) -> None:
        """Give the parser what has come.

        Raises:
            RequestHeadError: A head of so many bytes is not complete.
            HttpParserError: It is no HTTP.
            HttpParserUpgrade: It is, and another protocol is asked for.
        """
        if self._is_receiving_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                raise build_size_error()
        self.parser.feed_data(data)

    def _strip_upgrade(self, rest: bytes) -> bytes:
        """Return a request that would rather go on in another protocol, without that wish.

        The parser takes all that follows such a head for the other protocol, and so would lose
        the body. Java's client wishes for HTTP/2 whenever it has the choice.

        Args:
            rest: What follows its head.
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
        """Answer what is no request, and end the connection."""
        if self._is_busy():
            if self.pipeline or self.cycle.response_started or not self.cycle.more_body:
                self.transport.close()  # an answer here would be taken for that to another request
                return
            self.cycle.disconnected = True  # it was the body
            self.cycle.message_event.set()
        refusal = explain_parser_error(error, self.headers or ())
        self._on_refusal(refusal.code)
        self.transport.write(encode_last_response(refusal.code, refusal.detail))
        self.close_lingering()

    def _abort_after(self, delay_s: float) -> None:
        self._timer = self.loop.call_later(delay_s, self.transport.abort)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _LingeringTransport(asyncio.Transport):
    """What an early answer is written to; when it closes this, the connection lingers."""

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
    """Return whether the body that is still to come is known to come, and to be short."""
    if cycle.waiting_for_100_continue:  # told no, the client may send it or leave it
        return False
    length = dict(cycle.scope["headers"]).get(b"content-length", b"")
    return length.isdigit() and int(length) <= MAX_DISCARDED_BYTES
