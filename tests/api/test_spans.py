import asyncio
from collections.abc import Callable, Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from starlette.types import Message, Receive, Scope, Send

from phiz.api.access_log import AccessLog
from phiz.api.request_record import RequestRecord
from phiz.api.security.keys import create_key
from phiz.api.spans import RequestSpan, RequestTracer
from phiz.timings import STAGES, Timings
from phiz.wire.messages import EncodedAnswer

from .client import Client, form
from .test_access_log import ask

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = (b"traceparent", f"00-{TRACE}-{PARENT}-01".encode())
UNSAMPLED = (b"traceparent", f"00-{TRACE}-{PARENT}-00".encode())
TIMINGS = Timings(
    {"queue": 0.1, "decode": 0.2, "preprocess": 0.0, "inference": 0.4, "postprocess": 0.1},
    {"pnet": 0.2, "rnet": 0.1},
    0.8,
)
MS = 1_000_000


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[RequestTracer]:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    made = RequestTracer(provider)
    yield made
    made.close()


def scope(
    path: str = "/detect", method: str = "POST", headers: Sequence[tuple[bytes, bytes]] = ()
) -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "headers": headers,
    }


def recorded(found: Scope) -> RequestRecord:
    return RequestRecord.from_headers(found["method"], found["path"], found["headers"])


@pytest.fixture
def begin(spans: RequestTracer) -> Callable[[Scope], tuple[RequestSpan, RequestRecord]]:
    def give(found: Scope) -> tuple[RequestSpan, RequestRecord]:
        record = recorded(found)
        span = spans.start_span(record, found)
        assert span is not None
        return span, record

    return give


Begin = Callable[[Scope], tuple[RequestSpan, RequestRecord]]


def end(span: RequestSpan, record: RequestRecord, status: int, *timings: Timings) -> None:
    """As the service ends one that came 50 ms before its body was complete."""
    record.model, record.status, record.total_s = "back", status, 1.0
    record.received_at_s = record.started_at_s + 0.05
    record.outcomes = [EncodedAnswer(b"", "", 1, *each) for each in timings]
    span.end(record)


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    found = exporter.get_finished_spans()
    assert len({span.name for span in found}) == len(found)
    return {span.name: span for span in found}


def parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def id_of(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


def times_ms(span: ReadableSpan, since: ReadableSpan) -> tuple[float, float]:
    """When it began and ended, after another began."""
    assert span.start_time is not None
    assert span.end_time is not None
    assert since.start_time is not None
    return (span.start_time - since.start_time) / MS, (span.end_time - since.start_time) / MS


def test_a_request_has_a_span_below_its_callers(
    begin: Begin, exporter: InMemorySpanExporter
) -> None:
    span, record = begin(scope(headers=[TRACEPARENT, (b"x-request-id", b"7")]))
    assert span.trace_id == TRACE
    end(span, record, 200, TIMINGS)
    found = by_name(exporter)["POST /detect"]
    assert found.context is not None
    assert f"{found.context.trace_id:032x}" == TRACE
    assert parent_of(found) == int(PARENT, 16)
    assert found.kind is SpanKind.SERVER
    assert found.status.status_code is StatusCode.UNSET
    assert found.attributes == {
        "http.request.method": "POST",
        "http.route": "/detect",
        "url.path": "/detect",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": 8000,
        "http.response.status_code": 200,
        "phiz.request": "7",
        "phiz.code": "ok",
        "phiz.model": "back",
    }


def test_all_lines_of_its_callers_state_go_on(begin: Begin) -> None:
    states = [(b"tracestate", b"a=1,b=2"), (b"tracestate", b"c=3")]
    span, _ = begin(scope(headers=[TRACEPARENT, *states]))
    assert dict(span.span.get_span_context().trace_state) == {"a": "1", "b": "2", "c": "3"}


def test_its_stages_are_below_it_one_behind_the_other(
    begin: Begin, exporter: InMemorySpanExporter
) -> None:
    end(*begin(scope()), 200, TIMINGS)
    found = by_name(exporter)
    above = found.pop("POST /detect")
    assert times_ms(above, above) == pytest.approx((0, 1000), abs=0.001)
    parts = {name: found[name] for name in ("pnet", "rnet")}
    assert {parent_of(part) for part in parts.values()} == {id_of(found["inference"])}
    assert {parent_of(found[name]) for name in ("receive", *STAGES)} == {id_of(above)}
    expected = {
        "receive": (0, 50),
        "queue": (50, 150),
        "decode": (150, 350),
        "preprocess": (350, 350),
        "inference": (350, 750),
        "postprocess": (750, 850),
        "pnet": (350, 550),
        "rnet": (550, 650),
    }
    assert found.keys() == expected.keys()
    for name, times in expected.items():
        assert times_ms(found[name], above) == pytest.approx(times, abs=0.001), name


def test_each_of_several_pictures_has_a_span_with_its_stages(
    begin: Begin, exporter: InMemorySpanExporter
) -> None:
    end(*begin(scope("/detect/batch")), 200, TIMINGS, TIMINGS)
    found = exporter.get_finished_spans()
    (above,) = (span for span in found if span.name == "POST /detect/batch")
    pictures = {id_of(span): span for span in found if span.name == "picture"}
    assert {parent_of(picture) for picture in pictures.values()} == {id_of(above)}
    for picture in pictures.values():
        assert times_ms(picture, above) == pytest.approx((50, 850), abs=0.001)
    queues = [parent_of(span) for span in found if span.name == "queue"]
    assert sorted(filter(None, queues)) == sorted(pictures)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "undecodable_image", (StatusCode.UNSET, None)),
        (500, "internal", (StatusCode.ERROR, "internal")),
        (0, "not_ready", (StatusCode.ERROR, "not_ready")),
    ],
)
def test_an_error_of_the_service_is_one_of_the_span(
    begin: Begin, exporter: InMemorySpanExporter, status: int, code: str, expected: object
) -> None:
    span, record = begin(scope())
    record.error_code, record.status = code, status
    span.end(record)
    (found,) = exporter.get_finished_spans()
    assert found.attributes is not None
    assert (found.status.status_code, found.attributes.get("error.type")) == expected
    assert found.attributes["phiz.code"] == code


def test_without_a_caller_that_traces_it_begins_a_trace(
    begin: Begin, exporter: InMemorySpanExporter
) -> None:
    first, record = begin(scope())
    second, _ = begin(scope())
    assert len({first.trace_id, second.trace_id, "0" * 32}) == 3
    end(first, record, 200, TIMINGS)
    assert parent_of(by_name(exporter)["POST /detect"]) is None


def test_what_its_caller_does_not_keep_it_does_not_send(
    begin: Begin, exporter: InMemorySpanExporter
) -> None:
    span, record = begin(scope(headers=[UNSAMPLED]))
    assert span.trace_id == TRACE
    end(span, record, 200, TIMINGS)
    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/detect"), ("POST", "/nothing"), ("GET", "/metrics"), ("GET", "/models")],
)
def test_only_requests_with_pictures_have_spans(
    spans: RequestTracer, method: str, path: str
) -> None:
    found = scope(path, method)
    assert spans.start_span(recorded(found), found) is None


def test_the_trace_is_in_the_log_as_well(
    spans: RequestTracer, exporter: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "phiz")

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        raise AssertionError

    async def send(_message: Message) -> None: ...

    asyncio.run(AccessLog(app, "all", {"/detect"}, spans)(scope(), receive, send))
    (found,) = exporter.get_finished_spans()
    assert found.context is not None
    (line,) = caplog.records
    assert line.__dict__["fields"]["trace"] == f"{found.context.trace_id:032x}"


@pytest.mark.parametrize("path", ["/detect?model=back", "/classify"])
def test_the_application_has_spans_of_what_it_did(
    client: Client, png: bytes, spans: RequestTracer, exporter: InMemorySpanExporter, path: str
) -> None:
    ask(client, path, *form(("image", png)), traces=spans)
    found = by_name(exporter)
    above = found.pop(f"POST {path.partition('?')[0]}")
    assert found.keys() == {"receive", *STAGES}
    begun = [times_ms(found[name], above) for name in ("receive", *STAGES)]
    assert begun == sorted(begun)
    assert begun[-1][1] <= times_ms(above, above)[1]
    assert above.attributes is not None
    assert above.attributes["phiz.model"] in {"back", "efficientnet"}


def test_key_of_a_client_is_not_in_its_span(
    exporter: InMemorySpanExporter, spans: RequestTracer
) -> None:
    secret = create_key()
    headers = [(b"x-api-key", secret.encode()), (b"authorization", f"Bearer {secret}".encode())]
    found = scope(headers=headers)
    span = spans.start_span(recorded(found), found)
    assert span is not None
    span.end(recorded(found))
    (exported,) = exporter.get_finished_spans()
    assert secret not in exported.to_json()
