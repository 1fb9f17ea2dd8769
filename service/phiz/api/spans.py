"""Traces for OpenTelemetry: a span for each request with pictures, and one for each stage below it.

Nothing else of the service imports this, so that without traces none of OpenTelemetry is loaded.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
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
from phiz.api.fast_path import ENDPOINTS
from phiz.api.request_record import Record
from phiz.timings import Timings

NAME: Final = "phiz"
CLOSING_S: Final = 3.0  # for what has not been sent; a collector that is gone must not hold us up
FAULT: Final = 500
_NS: Final = 1_000_000_000


class Spans:
    """Begins the spans of requests, and sends them where they go."""

    __slots__ = ("_provider", "_tracer")

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME, phiz.__version__)

    @classmethod
    def exported(cls) -> Self:
        """Return spans that go out by OTLP, as the variables of OpenTelemetry say."""
        told = OTELResourceDetector().detect().attributes
        named = {SERVICE_NAME: NAME, SERVICE_VERSION: phiz.__version__, **told}
        provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        return cls(provider)

    def begin(self, record: Record, scope: Scope) -> "RequestSpan | None":
        """Return the span of a request that has come, if it asks something of pictures."""
        if record.method != "POST" or record.path not in ENDPOINTS:
            return None
        origin_ns = time.time_ns() - _ns(time.perf_counter() - record.started)
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
        span = self._tracer.start_span(
            f"POST {record.path}",
            context=extract({name: ",".join(values) for name, values in headers.items()}),
            kind=SpanKind.SERVER,
            attributes=_asked(record, scope),
            start_time=origin_ns,
        )
        return RequestSpan(self._tracer, span, record.started, origin_ns)

    def close(self) -> None:
        """Send what has not been sent, as far as that is quickly done."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(CLOSING_S)


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """The span of a request.

    Attributes:
        tracer: Makes those below it.
        span: Itself.
        started: When the request came, by ``time.perf_counter``.
        origin_ns: The same moment, nanoseconds since 1970.
    """

    tracer: Tracer
    span: Span
    started: float
    origin_ns: int

    @property
    def trace(self) -> str:
        """Return the trace that it belongs to, 32 hexadecimal digits."""
        return f"{self.span.get_span_context().trace_id:032x}"

    def end(self, record: Record) -> None:
        """End it, and make those of its stages."""
        if self.span.is_recording():
            self._stages(record)
            self.span.set_attributes(_answered(record))
            if not 0 < record.status < FAULT:
                self.span.set_status(StatusCode.ERROR)
        self.span.end(self._at(record.started + record.total_s))

    def _stages(self, record: Record) -> None:
        observation = record.observation
        if observation is None or not observation.arrived:
            return
        above = set_span_in_context(self.span)
        arrived = observation.arrived
        self._child("receive", above, self.started, arrived)
        several = len(observation.timings) > 1
        for timings in observation.timings:
            within = above
            if several:
                end = arrived + timings.total_s
                within = set_span_in_context(self._child("picture", above, arrived, end))
            self._laid(timings, within, arrived)

    def _laid(self, timings: Timings, above: Context, start: float) -> None:
        """Make a span for each stage, one behind the other; a stage that came twice is one."""
        for stage, seconds in timings.stages.items():
            child = self._child(stage, above, start, start + seconds)
            if stage == "inference":
                within, begun = set_span_in_context(child), start
                for part, part_s in timings.parts.items():
                    self._child(part, within, begun, begun + part_s)
                    begun += part_s
            start += seconds

    def _child(self, name: str, above: Context, start: float, end: float) -> Span:
        child = self.tracer.start_span(name, context=above, start_time=self._at(start))
        child.end(self._at(end))
        return child

    def _at(self, moment: float) -> int:
        """Return a reading of ``time.perf_counter`` as nanoseconds since 1970."""
        return self.origin_ns + _ns(moment - self.started)


def _asked(record: Record, scope: Scope) -> Mapping[str, Any]:
    """Return what is known of a request when it comes."""
    address, port = scope.get("server") or ("", None)
    return {
        HTTP_REQUEST_METHOD: record.method,
        HTTP_ROUTE: record.path,
        URL_PATH: record.path,
        URL_SCHEME: scope["scheme"],
        SERVER_ADDRESS: address,
        **({SERVER_PORT: port} if port else {}),
        "phiz.request": record.name,
    }


def _answered(record: Record) -> Mapping[str, Any]:
    """Return what is known of a request once it has been answered."""
    known: dict[str, Any] = {HTTP_RESPONSE_STATUS_CODE: record.status, "phiz.code": record.code}
    if record.observation is not None:
        known["phiz.model"] = record.observation.model
    if not 0 < record.status < FAULT:
        known[ERROR_TYPE] = record.code
    return known


def _ns(seconds: float) -> int:
    return round(seconds * _NS)
