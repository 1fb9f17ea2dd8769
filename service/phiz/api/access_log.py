"""Surrounds each request with its id, its line in the log and its span."""

import logging
import time
from collections.abc import Collection
from http import HTTPStatus
from typing import Final, Literal, Protocol, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phiz.api.request_record import RECORD_KEY, STREAM_METHOD, RequestRecord
from phiz.system.logs import make_extra

LoggedRequests: TypeAlias = Literal["none", "failed", "all"]
"""Requests that have a line in the log."""

# Asked every few seconds, by machines: of these there is a line only if they fail.
PROBE_PATHS: Final = frozenset(
    {
        *("/healthz", "/readyz", "/metrics", "/v1/status/ping"),
        *("/v2/health/live", "/v2/health/ready", "/v2/models/{model}/ready"),
    }
)
UNKNOWN_PATH: Final = "-"
STATUS_TYPES: Final = frozenset({"websocket.accept", "websocket.http.response.start"})

_log = logging.getLogger(__name__)


class SpanHandle(Protocol):
    """A request in a trace."""

    @property
    def trace_id(self) -> str:
        """Id of the trace, 32 hexadecimal digits."""

    def end(self, record: RequestRecord) -> None:
        """End the span of an answered request."""


class SpanSource(Protocol):
    """A tracer of requests."""

    def start_span(self, record: RequestRecord, scope: Scope) -> SpanHandle | None:
        """Return the span of a new request, or None if it has none."""


class AccessLog:
    """An application in front of another, which logs each request."""

    def __init__(
        self,
        app: ASGIApp,
        logged_requests: LoggedRequests,
        paths: Collection[str],
        tracer: SpanSource | None = None,
    ) -> None:
        """Return an application.

        Args:
            app: The application behind it.
            logged_requests: Requests that are logged.
            paths: Paths of its routes. Other paths are not logged: they may be names of files.
            tracer: Tracer of the requests, if there is one.
        """
        self._app = app
        self._logged_requests = logged_requests
        self._paths = frozenset(paths)
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] != "http":
            await self._log_stream(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else UNKNOWN_PATH
        record = RequestRecord.from_headers(scope["method"], path, scope["headers"])
        scope[RECORD_KEY] = record
        span = self._tracer.start_span(record, scope) if self._tracer is not None else None
        if span is not None:
            record.trace_id = span.trace_id

        async def receive_and_count() -> Message:
            message = await receive()
            record.bytes_in += len(message.get("body", b""))
            return message

        async def send_and_count(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                name = (b"x-request-id", record.request_id.encode())
                message["headers"] = [*message.get("headers", ()), name]
            else:
                record.bytes_out += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive_and_count, send_and_count)
        finally:
            record.total_s = time.perf_counter() - record.started_at_s
            self.log_request(record)
            if span is not None:
                span.end(record)

    async def _log_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log a stream when it ends. It has no span, which would end with it too."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        path = scope["path"] if scope["path"] in self._paths else UNKNOWN_PATH
        record = RequestRecord.from_headers(STREAM_METHOD, path, scope["headers"])
        scope[RECORD_KEY] = record

        async def receive_and_count() -> Message:
            message = await receive()
            record.bytes_in += len(message.get("bytes") or message.get("text") or b"")
            return message

        async def send_and_count(message: Message) -> None:
            if message["type"] in STATUS_TYPES:
                record.status = message.get("status", HTTPStatus.SWITCHING_PROTOCOLS)
                name = (b"x-request-id", record.request_id.encode())
                message["headers"] = [*message.get("headers", ()), name]
            record.bytes_out += len(message.get("text") or message.get("body") or b"")
            await send(message)

        try:
            await self._app(scope, receive_and_count, send_and_count)
        finally:
            record.total_s = time.perf_counter() - record.started_at_s
            self.log_request(record)

    def log_request(self, record: RequestRecord) -> None:
        """Log an answered request, if it is one of those that are logged."""
        if self._logged_requests == "none":
            return
        failed = not 0 < record.status < HTTPStatus.BAD_REQUEST
        if failed or (self._logged_requests == "all" and record.path not in PROBE_PATHS):
            level = _choose_level(record.status)
            _log.log(level, "answered", extra=make_extra(record.to_log_fields()))


def _choose_level(status: int) -> int:
    if not 0 < status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return logging.ERROR
    return logging.INFO if status < HTTPStatus.BAD_REQUEST else logging.WARNING
