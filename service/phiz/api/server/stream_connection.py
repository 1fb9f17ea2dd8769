"""A connection that has become a WebSocket."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

from phiz.api.server.disconnect import DISCONNECT_KEY, STOP_KEY, Disconnect
from phiz.api.server.lingering import LINGER_TIMEOUT_S

MAX_FRAME_BYTES: Final = 4 * 1024 * 1024
"""Maximum size of a message. A camera's JPEG of 4096 × 2160 pixels has about 2 MB."""
MAX_FRAGMENTS: Final = 1000
"""Maximum number of fragments of a message. Browsers send some for each 100 kB."""
MAX_WAITING_MESSAGES: Final = 500
"""Maximum number of messages that have arrived and are not read yet.

Nothing is read from a connection while one waits, but many small ones may arrive at once.
"""
# Of RFC 6455, section 7.4.1.
PROTOCOL_ERROR: Final = 1002
NOT_TEXT: Final = 1007
POLICY_VIOLATION: Final = 1008
CLOSE_ANSWER_S: Final = 2.0  # until the client must have answered the end
_MAX_UNREAD_BYTES: Final = 8 * 1024  # of answers; the next one waits until the client has read


class StreamConnection(WebSocketsSansIOProtocol):
    """A WebSocket of uvicorn's with limits, which a server that stops lets finish its frame."""

    def __init__(self, *args: Any, on_lost: Callable[[], None], **kwargs: Any) -> None:  # noqa: ANN401  uvicorn's
        """Wait for the request.

        Args:
            args: Arguments that uvicorn gives to a protocol.
            on_lost: Called when the connection has ended.
            kwargs: As ``args``.
        """
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_ANSWER_S
        self._inner_app = self.app
        self.app = self._run_app
        self._on_lost = on_lost
        self._stop = Disconnect()
        self._loss = Disconnect()
        self._timer: asyncio.TimerHandle | None = None  # while the connection lingers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a connection."""
        super().connection_made(transport)
        self.transport.set_write_buffer_limits(high=_MAX_UNREAD_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the stream, and free the place of the connection."""
        super().connection_lost(exc)
        if self._timer is not None:
            self._timer.cancel()
        self._loss.notify()  # its messages that are not read yet are read by nobody
        self._on_lost()
        # As in ``Connection``: without this cycle the memory is free at once.
        self.app = self._inner_app

    def data_received(self, data: bytes) -> None:
        """Read messages."""
        if self._timer is None:
            super().data_received(data)

    def shutdown(self) -> None:
        """Let the stream end after the frame in progress (uvicorn)."""
        if self.handshake_complete and not self.close_sent:
            self._stop.notify()
        else:
            super().shutdown()

    async def send(self, message: Any) -> None:  # noqa: ANN401  uvicorn's
        """Send a part of the answer (ASGI)."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True  # uvicorn would log a refusal as a failure

    def handle_connect(self, event: Request) -> None:
        """Begin the stream (uvicorn)."""
        super().handle_connect(event)
        if not self.close_sent:  # the task that reads the scope has not begun
            self.scope[STOP_KEY] = self._stop  # type: ignore[typeddict-unknown-key]
            self.scope[DISCONNECT_KEY] = self._loss  # type: ignore[typeddict-unknown-key]

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment of a message (uvicorn)."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self._fail(PROTOCOL_ERROR, "too many fragments")

    def send_receive_event_to_app(self) -> None:
        """Take a whole message (uvicorn)."""
        if self.close_sent:
            self.frames = []
        elif self.queue.qsize() >= MAX_WAITING_MESSAGES:
            self._fail(POLICY_VIOLATION, "too many messages at once")
        elif self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
            self._fail(NOT_TEXT, "a text message is not UTF-8")  # uvicorn would log it as an error
        else:
            super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """End the stream after a message that cannot be read (uvicorn).

        The client may still be sending it, and would not see the reason if the connection were
        closed. So what it sends is read and discarded for a while.
        """
        closing = self.conn.close_sent
        if closing is None:  # it is the head of the request, which was read once already
            self.transport.abort()
            return
        self.queue.put_nowait(
            {"type": "websocket.disconnect", "code": closing.code, "reason": closing.reason}
        )
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self._timer = self.loop.call_later(LINGER_TIMEOUT_S, self._abort)
        self.transport.resume_reading()
        self.transport.write_eof()

    def handle_ping(self) -> None:
        """Answer a ping, unless the client does not read or nothing may be written (uvicorn)."""
        if self.handshake_complete and self._timer is None and self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    async def _run_app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request (ASGI)."""
        try:
            await self._inner_app(scope, receive, send)
        except asyncio.CancelledError:
            # The time of a server that stops is over, and the client does not read. uvicorn would
            # log it as an error, and wait for the client.
            self.transport.abort()

    def _fail(self, code: int, reason: str) -> None:
        """End the stream because of a message."""
        self.frames = []
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def _abort(self) -> None:
        self.transport.abort()


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
