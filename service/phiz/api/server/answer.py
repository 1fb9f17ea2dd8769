"""Sends an answer: its head and its body in one write, if both are there at once."""

import re
from typing import Final

from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

_SPECIAL_NAMES: Final = frozenset({b"connection", b"transfer-encoding"})
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_CLOSE: Final = (b"connection", b"close")


class AnswerSender:
    """Sends the answer to one request.

    uvicorn sends the head alone, and checks each of its lines. Under overload most of the service's
    time is spent on short answers, where the second write costs as much as the rest.
    """

    __slots__ = ("_cycle", "_start")

    def __init__(self, cycle: RequestResponseCycle) -> None:
        """Wait for the head of the answer."""
        self._cycle = cycle
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        """Send a part of the answer (ASGI). The head is sent with the first part of the body."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if self._send_whole(start, message):
                return
            await self._cycle.send(start)  # type: ignore[arg-type]  # uvicorn's own types
        await self._cycle.send(message)  # type: ignore[arg-type]

    def _send_whole(self, start: Message, message: Message) -> bool:
        """Send a whole answer. Return False if uvicorn has to send it."""
        cycle, body = self._cycle, message.get("body", b"")
        is_whole = not message.get("more_body", False) and cycle.scope["method"] != "HEAD"
        if not is_whole or cycle.flow.write_paused or cycle.disconnected or cycle.response_started:
            return False
        headers = [*cycle.default_headers, *start.get("headers", ())]
        values = dict(headers)
        if values.get(b"content-length") != b"%d" % len(body) or not _SPECIAL_NAMES.isdisjoint(
            values
        ):
            return False
        if not cycle.keep_alive:
            headers.append(_CLOSE)
        lines = [b"%b: %b" % header for header in headers]
        if _CONTROLS.search(b"\t".join(lines)):
            return False
        head = STATUS_LINE[start["status"]] + b"\r\n".join(lines) + b"\r\n\r\n"
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.writelines((head, body))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
        return True
