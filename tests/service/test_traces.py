import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from phiz.cli import traces
from phiz.errors import SettingError
from phiz.timings import STAGES

from .running import GROUP, PATIENCE_S, Running, Starter, environment, wait_for

pytestmark = pytest.mark.integration

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@dataclass(slots=True)
class Collector:
    """What a collector was sent."""

    url: str = ""
    received: list[ExportTraceServiceRequest] = field(default_factory=list)

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.received
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self) -> dict[str, str]:
        """The attributes of who sent it."""
        (resource,) = {
            tuple((one.key, one.value.string_value) for one in each.resource.attributes)
            for request in self.received
            for each in request.resource_spans
        }
        return dict(resource)


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that takes OTLP over HTTP."""
    taken = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert (self.path, self.headers["content-type"]) == (
                "/v1/traces",
                "application/x-protobuf",
            )
            taken.received.append(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the server's own
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        taken.url = f"http://127.0.0.1:{server.server_address[1]}"
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield taken
        server.shutdown()
        serving.join()


def detect(service: Running, **headers: str) -> httpx.Response:
    files = {"image": GROUP.read_bytes()}
    url = f"{service.url}/detect?model=mtcnn"
    return httpx.post(url, files=files, headers=headers, timeout=PATIENCE_S)


def test_a_request_is_a_span_below_its_callers_with_one_for_each_stage(
    start: Starter, collector: Collector
) -> None:
    with start(
        PHIZ_LOG="json",
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
        OTEL_BSP_SCHEDULE_DELAY="100",
    ) as service:
        answer = detect(service, traceparent=f"00-{TRACE}-{PARENT}-01")
        wait_for(lambda: bool(collector.spans()))
        assert detect(service).is_success
        assert service.stop() == 0  # what is left is sent then
        assert TRACE in service.log.read_text()
    found = collector.spans()
    assert len({span.trace_id for span in found}) == 2
    traced = {span.name: span for span in found if span.trace_id.hex() == TRACE}
    above = traced.pop("POST /detect")
    assert (above.parent_span_id.hex(), above.kind) == (PARENT, Span.SPAN_KIND_SERVER)
    attributes = {one.key: one.value for one in above.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["phiz.request"].string_value == answer.headers["x-request-id"]
    assert traced.keys() == {"receive", *STAGES, "pnet", "rnet", "onet"}
    inference = traced["inference"].span_id
    for name, span in traced.items():
        expected = inference if name in {"pnet", "rnet", "onet"} else above.span_id
        assert span.parent_span_id == expected, name
    told = answer.json()["timing_ms"]
    for name in STAGES:
        lasted_ms = (traced[name].end_time_unix_nano - traced[name].start_time_unix_nano) / 1e6
        assert lasted_ms == pytest.approx(told[name], abs=0.002), name
    assert collector.named()["service.name"] == "phiz"
    assert collector.named()["deployment.environment.name"] == "test"


def test_a_collector_that_is_not_there_costs_no_answer_and_no_stop(start: Starter) -> None:
    with start(
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9",
        OTEL_SERVICE_NAME="other",
    ) as service:
        assert detect(service).is_success
        assert service.stop() == 0


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_EXPORTER": ""},
        {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"},
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "True"},
    ],
    ids=str,
)
def test_traces_are_off_unless_asked_for(variables: dict[str, str]) -> None:
    with traces.open_tracer(variables) as spans:
        assert spans is None


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER is 'zipkin'; it must be otlp"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'; it must be http/protobuf",
        ),
    ],
)
def test_unknown_exporter_or_protocol_stops_the_start(
    variables: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingError, match=message), traces.open_tracer(variables):
        pass


def test_missing_packages_of_traces_say_what_to_install(models_folder: Path) -> None:
    program = (
        "import importlib.abc, sys\n"
        "class Missing(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'opentelemetry.exporter':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
        "from phiz.cli.main import main\n"
        "main(['serve', '--port', '0'])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env=environment(models_folder, OTEL_TRACES_EXPORTER="otlp"),
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: OTEL_TRACES_EXPORTER is otlp, but OpenTelemetry is not")
    assert ended.stderr.endswith("pip install 'phiz[otel]'\n")
