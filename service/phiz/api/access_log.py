"""What surrounds the answer to each request: its name, its line in the log, its span."""

import logging
import time
from collections.abc import Collection
from typing import Final, Literal, Protocol, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phiz.api.request_record import RECORD, Record
from phiz.system.logs import extra

Kept: TypeAlias = Literal["none", "failed", "all"]
"""Of which requests there is a line in the log."""

FAILED: Final = 400
FAULT: Final = 500
# Asked every few seconds, by machines: of these there is a line only if they fail.
ROUTINE: Final = frozenset({"/healthz", "/readyz", "/metrics"})
ELSEWHERE: Final = "-"

_log = logging.getLogger(__name__)


class Span(Protocol):
    """A request in a trace."""

    @property
    def trace(self) -> str:
        """That it belongs to, 32 hexadecimal digits."""

    def end(self, record: Record) -> None:
        """Take what has become of the request."""


class Traces(Protocol):
    """Where spans go."""

    def begin(self, record: Record, scope: Scope) -> Span | None:
        """Return the span of a request that has come, if it gets one."""


class Journal:
    """An application in front of another, which writes down what becomes of each request."""

    __slots__ = ("_app", "_kept", "_paths", "_traces")

    def __init__(
        self, app: ASGIApp, kept: Kept, paths: Collection[str], traces: Traces | None = None
    ) -> None:
        """Begin with an empty page.

        Args:
            app: What answers.
            kept: Which requests are logged.
            paths: Of its routes; what else is asked for may be the name of somebody's picture.
            traces: Where their spans go; None for nowhere.
        """
        self._app = app
        self._kept = kept
        self._paths = frozenset(paths)
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else ELSEWHERE
        record = Record.of(scope["method"], path, scope["headers"])
        scope[RECORD] = record
        span = self._traces.begin(record, scope) if self._traces is not None else None
        if span is not None:
            record.trace = span.trace

        async def received() -> Message:
            message = await receive()
            record.bytes_in += len(message.get("body", b""))
            return message

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                name = (b"x-request-id", record.name.encode())
                message["headers"] = [*message.get("headers", ()), name]
            else:
                record.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, received, told)
        finally:
            record.total_s = time.perf_counter() - record.started
            self._log(record)
            if span is not None:
                span.end(record)

    def _log(self, record: Record) -> None:
        failed = not 0 < record.status < FAILED
        if self._kept == "none" or (
            not failed and (self._kept == "failed" or record.path in ROUTINE)
        ):
            return
        _log.log(_level(record.status), "answered", extra=extra(record.fields()))


def _level(status: int) -> int:
    if not 0 < status < FAULT:
        return logging.ERROR
    return logging.INFO if status < FAILED else logging.WARNING
