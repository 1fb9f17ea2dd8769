"""Time of the access log and of spans in the service.

    python -m benchmarks.speed.access_log

Prints microseconds of processor time a request, beyond an application that answers at once: with a
request's id alone, with its line in the log (which goes to /dev/null), and with its spans, encoded
for OTLP and not sent.
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from phiz.api.access_log import AccessLog, LoggedRequests
from phiz.api.request_record import get_record
from phiz.api.spans import RequestTracer
from phiz.system.logs import LogFormat, configure_logging
from phiz.timings import STAGES
from phiz.wire.messages import EncodedAnswer

REQUESTS: Final = 20_000
ROUNDS: Final = 7
ANSWER: Final = EncodedAnswer(b"", "", 1, dict.fromkeys(STAGES, 0.001), {}, 0.005)
HEADERS: Final = (
    (b"host", b"127.0.0.1:8000"),
    (b"content-type", b"multipart/form-data; boundary=limit"),
    (b"content-length", b"30000"),
    (b"accept", b"*/*"),
    (b"user-agent", b"benchmark"),
)
SCOPE: Final = {
    "type": "http",
    "method": "POST",
    "path": "/detect",
    "headers": HEADERS,
    "scheme": "http",
}
CASES: Final[Sequence[tuple[str, LoggedRequests, LogFormat, bool]]] = (
    ("the id alone", "none", "text", False),
    ("and a line of text", "all", "text", False),
    ("and a line of JSON", "all", "json", False),
    ("the id and the spans", "none", "text", True),
)


class DiscardingExporter(SpanExporter):
    """Encodes spans, and discards them."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode spans."""
        encode_spans(spans).SerializeToString()
        return SpanExportResult.SUCCESS


async def answer_request(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer like a detection, without one (ASGI)."""
    await receive()
    record = get_record(scope)
    record.model, record.outcomes = "front", [ANSWER]
    record.received_at_s = time.perf_counter()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": bytes(900)})


async def measure_cost_us(app: ASGIApp) -> float:
    """Return the processor time of a request, microseconds."""

    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(1000)}

    async def send(message: Message) -> None:
        """Send nothing."""

    started = time.process_time()
    for _ in range(REQUESTS):
        await app(dict(SCOPE), receive, send)
    return (time.process_time() - started) / REQUESTS * 1e6


def main() -> None:
    """Print the median of several rounds, in which all cases take turns."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(DiscardingExporter()))
    spans = RequestTracer(provider)
    with Path("/dev/null").open("w") as sys.stderr:
        costs: dict[str, list[float]] = {name: [] for name, *_ in CASES}
        for _ in range(ROUNDS):
            bare = asyncio.run(measure_cost_us(answer_request))
            for name, kept, log_format, traced in CASES:
                configure_logging(log_format)
                access_log = AccessLog(answer_request, kept, {"/detect"}, spans if traced else None)
                costs[name].append(asyncio.run(measure_cost_us(access_log)) - bare)
    for name, found in costs.items():
        print(f"{name}: {statistics.median(found):.1f} µs")


if __name__ == "__main__":
    main()
