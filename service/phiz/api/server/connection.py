"""A connection with limits on the heads of requests, which early answers end gracefully."""

import asyncio
import socket
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from starlette.types import Message, Receive, Scope, Send
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from phiz.api.errors import encode_last_response
from phiz.api.security.cors import CorsRules
from phiz.api.server.answer import AnswerSender
from phiz.api.server.bodies import TAKE_BODY_KEY
from phiz.api.server.clients import AddressPlaces, ClientPlaces
from phiz.api.server.disconnect import DISCONNECT_KEY, Disconnect
from phiz.api.server.lingering import LINGER_TIMEOUT_S, LingeringTransport, is_body_short
from phiz.api.server.request_head import (
    HeaderLines,
    RequestHeadError,
    build_places_error,
    build_timeout_error,
    check_head,
    explain_parser_error,
)
from phiz.api.server.request_meter import RequestMeter, TrailerCounter
from phiz.api.server.stream_connection import StreamConnection
from phiz.api.server.unread import (
    MAX_READ_AHEAD_BYTES,
    UnreadBudget,
    UnreadBytes,
    has_unread_bytes,
)
from phiz.api.server.upgrade import format_stream_request, is_stream_request

StreamFactory: TypeAlias = Callable[..., StreamConnection]
"""Makes the WebSocket that a connection becomes."""
EarlyRefusal: TypeAlias = Callable[[bytes, HeaderLines, Scope], bytes | None]
"""Takes the path and query of a POST request, its headers, and the ends of its connection."""

UPGRADE_HEADERS: Final = frozenset({b"connection", b"upgrade", b"http2-settings"})
HEAD_TIMEOUT_S: Final = 20.0  # of a head, from the connection or from its first byte
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_LEFT_CHECK_S: Final = 0.02


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's with limits on the size and time of a head.

    A client that still sends its body would never see an early answer if the connection were
    closed: its system reports the reset first. So the connection is closed for writing alone, and
    the rest is read and discarded for a while (RFC 9112, section 9.6).

    A connection without a request in progress gives its place up when there are too many.
    """

    # More attributes than 30 would give each connection a dictionary of its own, of 3 kB.
    __slots__ = (
        "_client",
        "_cors",
        "_disconnect",
        "_has_answered",
        "_head_timeout_s",
        "_inner_app",
        "_is_half_closed",
        "_is_lingering",
        "_is_refused",
        "_is_stopping",
        "_last_answer",
        "_make_stream",
        "_meter",
        "_on_refusal",
        "_places",
        "_refuse_request",
        "_running_cycle",
        "_timer",
        "_unread",
    )

    def __init__(  # noqa: PLR0913  what a server knows and a connection needs
        self,
        *args: Any,  # noqa: ANN401  uvicorn's
        places: ClientPlaces["Connection"],
        unread_budget: UnreadBudget,
        on_refusal: Callable[[str], None],
        refuse: EarlyRefusal | None = None,
        cors: CorsRules | None = None,
        make_stream: StreamFactory | None = None,
        head_timeout_s: float = HEAD_TIMEOUT_S,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        """Wait for a request.

        Args:
            args: Arguments that uvicorn gives to a protocol.
            places: Places of all connections.
            unread_budget: Bytes of requests that wait for the answer to another, of all
                connections.
            on_refusal: Called with the error code of each request that is refused here.
            refuse: Returns the answer to a POST request that is refused before it begins, or
                None.
            cors: Origins whose pages may read the answers.
            make_stream: Makes a stream; None if requests for one are answered in HTTP.
            head_timeout_s: Maximum seconds until a request's line and headers are complete.
            kwargs: As ``args``.
        """
        super().__init__(*args, **kwargs)
        self._inner_app = self.app
        self.app = self._run_app
        self._places = places
        self._client: AddressPlaces[Connection] | None = None
        self._disconnect: Disconnect | None = None  # of the last request that began
        self._running_cycle: RequestResponseCycle | None = None  # the last one is ``cycle``
        self._on_refusal = on_refusal
        self._refuse_request = refuse
        self._cors = cors
        self._make_stream = make_stream
        self._head_timeout_s = head_timeout_s
        self._meter = RequestMeter()
        self._timer: asyncio.TimerHandle | None = None
        self._has_answered = False
        self._is_stopping = False
        self._is_refused = False  # whether the request that is being received is answered already
        self._is_lingering = False
        self._is_half_closed = False  # whether the client sends no more, but may read
        self._last_answer: bytes | None = None  # to a request that cannot be read
        self._unread = UnreadBytes(unread_budget)

    def connection_made(  # type: ignore[override]  # a server's transport is one
        self, transport: asyncio.Transport
    ) -> None:
        """Wait for the first request, for a limited time."""
        super().connection_made(transport)
        self._client = self._places.enter(self.client[0] if self.client else "")
        self._client.line[self] = None
        self._abort_after(self._head_timeout_s)
        if self._places.count > self._places.limit:
            victim = self._places.choose_victim()
            assert victim is not None, "this connection may be ended"
            victim.give_place_up()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer, free the place, and tell the request in progress."""
        self._cancel_timer()
        self.pipeline.clear()
        self._unread.take()
        self._leave()
        if self._running_cycle is not None:  # uvicorn tells the last one
            self._running_cycle.disconnected = True
            self._running_cycle.message_event.set()
        super().connection_lost(exc)
        if self._disconnect is not None:
            self._disconnect.notify()
        # Of a reset connection too: uvicorn's timer would keep its last head for 75 seconds.
        self._unset_keepalive_if_required()
        # Without this cycle the memory is free at once, and not when the collector runs.
        self.app = self._inner_app

    def data_received(self, data: bytes) -> None:
        """Read requests."""
        if self._is_lingering or self._last_answer is not None:
            return
        if self._unread:
            self._keep_unread(data)
        else:
            self._read_requests(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn's always closes
        """Return whether a request is still answered, for a client that only stops sending."""
        if self._unread:
            self._is_half_closed = True
            return True
        if not self._is_busy() or self.cycle.more_body:
            return False
        self._is_half_closed = True
        self.cycle.keep_alive = False
        if self.parser.get_http_version() != "1.0" and not self.cycle.response_started:
            # A client that has left answers this with a reset, and another one ignores it.
            self.transport.write(CONTINUE)
            self._check_whether_left()
        return True

    def on_message_begin(self) -> None:
        """Begin a request (httptools)."""
        self._meter.begin_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start the answer to a request (httptools).

        Raises:
            RequestHeadError: As ``check_head``.
        """
        check_head(self.url, self.headers, self.parser.get_http_version())
        if self.parser.should_upgrade():
            return  # there is no other protocol here; see below
        fields = dict(self.headers)
        self._meter.end_head(fields.get(b"content-length", b""))
        self._cancel_timer()
        if self._refuse_early(fields):
            return
        if self._client is not None:
            self._client.line.pop(self, None)
        super().on_headers_complete()
        # The trailers of a chunked body would be added to the headers (RFC 9110, section 6.5.1).
        self.headers = TrailerCounter()

    def on_body(self, body: bytes) -> None:
        """Read a part of a request's body (httptools).

        Raises:
            RequestHeadError: It comes in too many small chunks.
        """
        self._meter.count_body(len(body))
        if self._is_refused:
            return
        cycle = self.cycle
        if len(body) == self._meter.announced_bytes and not cycle.response_complete:
            cycle.body = body  # type: ignore[assignment]  # uvicorn would copy the whole of it twice
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request's body (httptools)."""
        if self.parser.should_upgrade():
            return
        self._meter.end_request()
        if not self._is_busy():  # answered long ago
            self._cancel_timer()
        if self._is_refused:
            self._is_refused = False
        else:
            super().on_message_complete()
            if not self.pipeline:
                # The end of the connection is seen only while it is read.
                self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """Wait for the next request, or end the connection (uvicorn)."""
        self._has_answered = True
        is_last = not self.pipeline
        super().on_response_complete()
        if self._unread and not self.pipeline and not self.transport.is_closing():
            self._read_requests(self._unread.take())
            if self._is_busy():
                return
        if not is_last:
            return
        if self._client is not None:
            self._client.line[self] = None
        if self._last_answer is not None and not self.transport.is_closing():
            self._end_with(self._last_answer)

    def shutdown(self) -> None:
        """End the connection, or have its request be the last one (uvicorn)."""
        self._is_stopping = True
        super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """End an idle connection, unless a request has arrived that has not been read yet.

        The loop runs timers before it reads, so a busy one would close in the face of a client.
        """
        if not self.transport.is_closing() and has_unread_bytes(self.transport):
            return
        super().timeout_keep_alive_handler()

    def give_place_up(self) -> None:
        """End the connection, which has no request in progress, in favour of another one."""
        is_new = not self._meter.is_receiving_head and not self._has_answered
        self._leave()
        if self._is_lingering or self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        if self._meter.is_receiving_head or is_new:
            error = build_places_error(self._places.limit)
            self._on_refusal(error.code)
            self.transport.write(self._encode_last(error))
        self.transport.close()

    def close_lingering(self) -> None:
        """Close for writing, and close entirely when the client has had time to read."""
        if self._is_lingering or self.transport.is_closing():
            return
        self._is_lingering = True
        self.flow.resume_reading()
        self.transport.write_eof()
        self._cancel_timer()
        self._abort_after(LINGER_TIMEOUT_S)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running_cycle = cycle
        super()._start_asgi_task(cycle, app)

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        scope[DISCONNECT_KEY] = self._disconnect = Disconnect()
        cycle = self._running_cycle
        assert cycle is not None, "its task has begun"
        send = AnswerSender(cycle).send
        if self.cycle.more_body:
            send = partial(self._send_early, send)
        else:
            scope[TAKE_BODY_KEY] = partial(_take_body, cycle)
        await self._inner_app(scope, receive, send)

    async def _send_early(self, send: Send, message: Message) -> None:
        """Send a part of an answer to a request whose body may be incomplete."""
        # A pipelined request behind it is answered by closing.
        if message["type"] == "http.response.start" and not self.pipeline:
            cycle = self.cycle
            # Told not to continue, the client may send the body or leave it. A server that stops
            # does not wait for it.
            goes_on = cycle.keep_alive or self._is_stopping
            goes_on = goes_on and not cycle.waiting_for_100_continue
            if cycle.more_body and not (goes_on and is_body_short(dict(cycle.scope["headers"]))):
                cycle.keep_alive = False
                cycle.transport = LingeringTransport(cycle.transport, self.close_lingering)
        await send(message)

    def _refuse_early(self, headers: Mapping[bytes, bytes]) -> bool:
        """Return whether the request is refused, answered, and the rest of it discarded."""
        if (
            self._refuse_request is None
            or self.parser.get_method() != b"POST"
            or self.parser.get_http_version() != "1.1"
            or not self.parser.should_keep_alive()
            or self.expect_100_continue  # told no, the client may send the body or leave it
            or not is_body_short(headers)
            or self._is_busy()
            or self.flow.write_paused
        ):
            return False
        answer = self._refuse_request(self.url, self.headers, cast("Scope", self.scope))
        if answer is None:
            return False
        self._is_refused = self._has_answered = True
        status_line, rest = answer.split(b"\r\n", 1)
        own = [b"%b: %b" % header for header in self.server_state.default_headers]
        self.transport.write(b"\r\n".join([status_line, *own, rest]))
        if self._client is not None:
            self._client.line.pop(self, None)
            self._client.line[self] = None  # behind those that wait for longer
        return True

    def _read_requests(self, data: bytes) -> None:
        """Read requests, until one of them has to wait for the answer to another."""
        self._unset_keepalive_if_required()
        start = 0
        while start < len(data):
            if self.pipeline:
                self._keep_unread(data[start:])
                return
            end = self._meter.choose_end(data, start)
            try:
                self._feed_parser(memoryview(data)[start:end])
            except HttpParserUpgrade as upgrade:
                rest = data[start + upgrade.args[0] :]
                if self._open_stream(rest):
                    return
                data, start = self._strip_upgrade(rest), 0
            except (HttpParserError, RequestHeadError) as error:
                self._refuse(error)
                return
            else:
                start = end
        self._wait_for_more()

    def _wait_for_more(self) -> None:
        """Limit the time until the client sends more, or end a connection that it has half closed.

        All that it has sent is read.
        """
        if self._is_half_closed:
            if self._is_busy() and not self.cycle.more_body:
                self.cycle.keep_alive = False
            else:
                self.transport.close()
        elif self._timer is None and not self._is_busy():
            if self._meter.is_receiving:
                self._abort_after(self._head_timeout_s)
            else:  # the rest of a request that was answered early has been discarded
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

    def _keep_unread(self, data: bytes) -> None:
        """Keep requests until the one before them is answered, if there is room for them."""
        try:
            self._unread.add(data)
        except RequestHeadError as error:
            self._refuse(error)
            return
        if len(self._unread) > MAX_READ_AHEAD_BYTES:
            self.flow.pause_reading()  # until the answer, which uvicorn resumes it after

    def _feed_parser(self, data: memoryview) -> None:
        """Feed the parser.

        Raises:
            RequestHeadError: A head of the maximum size is not complete, or neither are trailers.
            HttpParserError: The data is not HTTP.
            HttpParserUpgrade: The request asks for another protocol.
        """
        self._meter.count_piece(len(data))
        self.parser.feed_data(data)
        self._meter.count_trailers(len(data))

    def _open_stream(self, rest: bytes) -> bool:
        """Return whether the connection has become a stream, which has its place from now on."""
        if (
            self._make_stream is None
            or self._client is None
            or self._is_busy()
            or self._is_stopping
            or self.parser.get_http_version() != "1.1"
            or not is_stream_request(self.parser.get_method(), self.url, self.headers)
        ):
            return False
        self._cancel_timer()
        client, self._client = self._client, None
        client.line.pop(self, None)
        self.connections.discard(self)
        stream = self._make_stream(
            self.config,
            self.server_state,
            self.app_state,
            on_lost=partial(self._places.leave, client, self),
        )
        self.app = self._inner_app  # as when the connection is lost
        stream.connection_made(self.transport)
        self.transport.set_protocol(stream)
        stream.data_received(format_stream_request(self.url, self.headers) + rest)
        return True

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
        self._meter.restart_head()
        return b"\r\n".join([*lines, b"", rest])

    def _is_busy(self) -> bool:
        """Return whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, error: Exception) -> None:
        """Answer a request that cannot be read, after those before it, and end the connection."""
        refusal = explain_parser_error(error, self.headers or ())
        self._on_refusal(refusal.code)
        answer = self._encode_last(refusal)
        if not self._is_busy():
            self._end_with(answer)
            return
        cycle = self.cycle
        if cycle.more_body and not self.pipeline:  # it is the body of the request in progress
            if not cycle.response_started:
                self.transport.write(answer)
            cycle.disconnected = True
            cycle.message_event.set()
            self.close_lingering()
            return
        if cycle.more_body:
            self.pipeline.popleft()  # its body
        self._last_answer = answer

    def _encode_last(self, error: RequestHeadError) -> bytes:
        """Return the answer to the last request, of whose head only a part may be known."""
        if self._cors is None:
            return encode_last_response(error.code, error.detail)
        headers = self.scope["headers"] if self.scope else ()
        return encode_last_response(error.code, error.detail, self._cors.build_headers(headers))

    def _end_with(self, answer: bytes) -> None:
        self.transport.write(answer)
        self.close_lingering()

    def _check_whether_left(self) -> None:
        """Abort a connection that the client has reset. The loop has stopped reading from it."""
        if self.transport.is_closing() or not self._is_busy():
            return
        connection = self.transport.get_extra_info("socket")
        if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
            return
        self.loop.call_later(_LEFT_CHECK_S, self._check_whether_left)

    def _leave(self) -> None:
        if self._client is not None:
            self._places.leave(self._client, self)
            self._client = None

    def _abort_after(self, delay_s: float) -> None:
        self._timer = self.loop.call_later(delay_s, self._expire)

    def _expire(self) -> None:
        """End a connection that has waited for too long."""
        self._timer = None
        if self._meter.is_receiving_head and not self._is_lingering:
            error = build_timeout_error(self._head_timeout_s)
            self._on_refusal(error.code)
            self._end_with(self._encode_last(error))
        else:
            self.transport.abort()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _take_body(cycle: RequestResponseCycle) -> bytes:
    body, cycle.body = bytes(cycle.body), bytearray()
    cycle.message_event.clear()
    return body
