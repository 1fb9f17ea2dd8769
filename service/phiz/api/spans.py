"""Traces for OpenTelemetry: a span for each request with images, and one for each of its stages.

No other module of the service imports this one, so OpenTelemetry is loaded only with tracing.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from threading import Thread
from typing import Any, Final, Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.semconv.attributes.url_attributes import URL_PATH, URL_SCHEME
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, set_span_in_context
from starlette.types import Scope

import phiz
from phiz.api.compat.routes import IMAGE_OPERATIONS
from phiz.api.request_record import RequestRecord
from phiz.wire.messages import EncodedAnswer

PROGRAM_NAME: Final = "phiz"
CLOSE_TIMEOUT_S: Final = (
    3.0  # for what has not been sent; a collector that is gone must not hold us up
)
_NS_PER_S: Final = 1_000_000_000


class RequestTracer:
    """Starts the spans of requests, and exports them."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(PROGRAM_NAME, phiz.__version__)

    @classmethod
    def from_environment(cls) -> Self:
        """Return a tracer that exports by OTLP, configured by OpenTelemetry's variables."""
        detected = OTELResourceDetector().detect().attributes
        named = {SERVICE_NAME: PROGRAM_NAME, SERVICE_VERSION: phiz.__version__, **detected}
        provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def start_span(self, record: RequestRecord, scope: Scope) -> "RequestSpan | None":
        """Return the span of a new request, or None if its route takes no images."""
        if record.method != "POST" or record.path not in IMAGE_OPERATIONS:
            return None
        origin_ns = time.time_ns() - _to_ns(time.perf_counter() - record.started_at_s)
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        span = self._tracer.start_span(
            f"POST {record.path}",
            context=extract({name: ",".join(values) for name, values in headers.items()}),
            kind=SpanKind.SERVER,
            attributes=_describe_request(record, scope),
            start_time=origin_ns,
        )
        return RequestSpan(self._tracer, span, record.started_at_s, origin_ns)

    def close(self) -> None:
        """Export the last spans, for a limited time."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSE_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """The span of a request.

    Attributes:
        tracer: Tracer of its child spans.
        span: The span itself.
        started_at_s: Start of the request, by ``time.perf_counter``.
        origin_ns: The same moment in nanoseconds since 1970.
    """

    tracer: Tracer
    span: Span
    started_at_s: float
    origin_ns: int

    @property
    def trace_id(self) -> str:
        """Id of the trace, 32 hexadecimal digits."""
        return f"{self.span.get_span_context().trace_id:032x}"

    def end(self, record: RequestRecord) -> None:
        """End the span, and add those of its stages."""
        if self.span.is_recording():
            self._add_stages(record)
            self.span.set_attributes(_describe_response(record))
            if not 0 < record.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                self.span.set_status(StatusCode.ERROR)
        self.span.end(self._to_epoch_ns(record.started_at_s + record.total_s))

    def _add_stages(self, record: RequestRecord) -> None:
        received_at_s = record.received_at_s
        if not received_at_s:
            return
        parent = set_span_in_context(self.span)
        self._add_child("receive", parent, self.started_at_s, received_at_s)
        answers = record.answers
        several = len(answers) > 1
        for answer in answers:
            within = parent
            if several:
                end = received_at_s + answer.total_s
                within = set_span_in_context(self._add_child("picture", parent, received_at_s, end))
            self._add_consecutive(answer, within, received_at_s)

    def _add_consecutive(self, answer: EncodedAnswer, parent: Context, start: float) -> None:
        """Add a span for each stage, one after the other; a repeated stage has one span."""
        for stage, seconds in answer.stages.items():
            child = self._add_child(stage, parent, start, start + seconds)
            if stage == "inference":
                within, started = set_span_in_context(child), start
                for part, part_s in answer.parts.items():
                    self._add_child(part, within, started, started + part_s)
                    started += part_s
            start += seconds

    def _add_child(self, name: str, parent: Context, start: float, end: float) -> Span:
        child = self.tracer.start_span(name, context=parent, start_time=self._to_epoch_ns(start))
        child.end(self._to_epoch_ns(end))
        return child

    def _to_epoch_ns(self, perf_counter_s: float) -> int:
        """Return a reading of ``time.perf_counter`` as nanoseconds since 1970."""
        return self.origin_ns + _to_ns(perf_counter_s - self.started_at_s)


def _describe_request(record: RequestRecord, scope: Scope) -> Mapping[str, Any]:
    """Return the attributes of a new request."""
    address, port = scope.get("server") or ("", None)
    return {
        HTTP_REQUEST_METHOD: record.method,
        HTTP_ROUTE: record.path,
        URL_PATH: record.path,
        URL_SCHEME: scope["scheme"],
        SERVER_ADDRESS: address,
        **({SERVER_PORT: port} if port else {}),
        "phiz.request": record.request_id,
    }


def _describe_response(record: RequestRecord) -> Mapping[str, Any]:
    """Return the attributes of an answered request."""
    known: dict[str, Any] = {HTTP_RESPONSE_STATUS_CODE: record.status, "phiz.code": record.code}
    if record.model:
        known["phiz.model"] = record.model
    if not 0 < record.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        known[ERROR_TYPE] = record.code
    return known


def _to_ns(seconds: float) -> int:
    return round(seconds * _NS_PER_S)
