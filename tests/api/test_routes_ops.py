import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import httpx
import pytest
from prometheus_client import Metric
from starlette.requests import ClientDisconnect

from phiz.api.app import create_app
from phiz.errors import ModelCorruptError
from phiz.models import catalog, router_config
from phiz.wire.models import ModelList
from phiz.wire.schemas import DetectParameters
from phiz.workers.pool import WorkerPool
from tests.exposition import check_openmetrics, check_text

from .client import REQUEST_LIMITS, Client, doubles, form, mirrors, samples, started
from .doubles import command


def test_models_are_those_of_the_catalogue_and_auto(client: Client) -> None:
    answer = ModelList.model_validate(client.ask("GET", "/models").json())
    specs = {spec.name: spec for spec in catalog.load_catalog().get_models("face")}
    entries = {entry.name: entry for entry in answer.models}
    assert list(entries) == [*specs, "auto"]
    for name, spec in specs.items():
        entry = entries[name]
        assert (entry.title, entry.kind, entry.licence) == (spec.title, spec.kind, spec.licence)
        assert (entry.input_size, entry.min_score) == (spec.input_size, spec.min_score)
        assert [(one.name, one.sha256, one.bytes) for one in entry.networks] == [
            (one.name, one.sha256, one.size_bytes) for one in spec.networks
        ]
    assert entries["auto"].landmarks == ("left_eye", "right_eye", "nose")
    assert entries["mtcnn"].landmarks[3:] == ("mouth_left", "mouth_right")


def test_every_limit_comes_with_what_it_means(client: Client) -> None:
    answer = ModelList.model_validate(client.ask("GET", "/models").json())
    specs = {spec.name: spec for spec in catalog.load_catalog().get_models("face")}
    known = {
        **{name: (spec.min_score, spec.operating_point) for name, spec in specs.items()},
        "auto": (
            router_config.load_router_config().min_score,
            router_config.load_router_config().operating_point,
        ),
    }
    for entry in answer.models:
        limit, point = known[entry.name]
        assert entry.min_score == limit
        assert point is not None
        assert entry.operating_point is not None
        assert entry.operating_point.model_dump() == asdict(point)


def test_every_model_can_be_asked_for(client: Client) -> None:
    listed = [entry["name"] for entry in client.ask("GET", "/models").json()["models"]]
    allowed = DetectParameters.model_json_schema()["properties"]["model"]["enum"]
    assert listed == allowed


def test_alive_and_ready_are_different() -> None:
    app = mirrors()
    with asyncio.Runner() as runner:
        before = Client(app, runner)
        assert before.ask("GET", "/healthz").status_code == 200
        response = before.ask("GET", "/readyz")
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert response.json()["code"] == "not_ready"
        assert before.ask("POST", "/detect").status_code == 503
    with started(app) as client:
        assert client.ask("GET", "/readyz").status_code == 200
        app.state.ready = False  # as the server does when it is told to stop
        assert client.ask("GET", "/readyz").status_code == 503
        assert client.ask("GET", "/healthz").status_code == 200
    assert app.state.ready is False


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_can_be_asked_for_by_its_status_alone(client: Client, path: str) -> None:
    ready, alone = client.ask("GET", path), client.ask("HEAD", path)
    assert (alone.status_code, alone.headers) == (ready.status_code, ready.headers)
    client.app.state.ready = False
    try:
        assert client.ask("HEAD", path).status_code == client.ask("GET", path).status_code
    finally:
        client.app.state.ready = True


def test_an_application_that_cannot_load_does_not_start() -> None:
    app = create_app(command("refusing"), 2, REQUEST_LIMITS)
    with pytest.raises(ModelCorruptError, match=r"back\.onnx"), started(app):
        pass
    assert (app.state.ready, app.state.service) == (False, None)


@pytest.fixture
def fresh() -> Iterator[Client]:
    """One that has counted nothing."""
    with started(mirrors()) as client:
        yield client


def test_metrics_count_what_was_asked(fresh: Client, png: bytes) -> None:
    fresh.ask("POST", "/detect?model=back&max_faces=2", content=png, kind="image/png")
    fresh.ask("POST", "/detect?model=back", content=png[:60], kind="image/png")
    fresh.ask("POST", "/detect?model=nobody", content=png, kind="image/png")
    fresh.ask("POST", "/detect?model=back", content=b"", kind="text/plain")
    body, kind = form(("model", b"full"), ("image", png))
    fresh.ask("POST", "/detect", content=body, kind=kind)
    found = samples(fresh.ask("GET", "/metrics").text)

    def value(name: str, **labels: str) -> float | None:
        return found.get((name, frozenset(labels.items())))

    count = "phiz_request_seconds_count"
    assert value(count, model="back", outcome="ok") == 1
    assert value(count, model="full", outcome="ok") == 1
    assert value(count, model="back", outcome="undecodable_image") == 1
    assert value(count, model="back", outcome="unsupported_image") == 1
    assert value(count, model="unknown", outcome="bad_option") == 1
    assert value("phiz_rejected_total", reason="bad_option") == 1
    assert value("phiz_rejected_total", reason="unsupported_image") == 1
    assert value("phiz_rejected_total", reason="undecodable_image") is None
    assert value("phiz_faces_total", model="back") == 2
    assert value("phiz_faces_total", model="full") == 3
    for stage in ("queue", "decode", "preprocess", "inference", "postprocess"):
        assert value("phiz_stage_seconds_count", model="back", stage=stage) == 1
    # The body of the damaged picture came as well.
    assert value("phiz_stage_seconds_count", model="back", stage="receive") == 2
    assert value("phiz_pictures_total", model="auto", outcome="worker_died") == 0
    pictures = "phiz_pictures_total"
    assert value(pictures, model="back", outcome="ok") == 1
    assert value(pictures, model="full", outcome="ok") == 1
    assert value(pictures, model="back", outcome="undecodable_image") == 1
    assert value(pictures, model="back", outcome="unsupported_image") is None
    assert value("phiz_inflight_requests") == 0
    assert value("phiz_queue_depth") == 0
    assert value("phiz_queue_wait_seconds") == 0
    assert value("phiz_workers") == 2
    assert value("phiz_workers_replaced_total") == 0
    assert value("phiz_model_info", model="mtcnn", kind="mtcnn") == 1
    assert "nobody" not in str(found)


def test_several_pictures_are_one_request_and_counted_each(fresh: Client, png: bytes) -> None:
    body, kind = form(("image", png), ("image", b"no picture"), ("image", png))
    assert fresh.ask("POST", "/detect/batch?model=back", content=body, kind=kind).is_success
    assert fresh.metric("phiz_request_seconds_count", model="back", outcome="ok") == 1
    assert fresh.metric("phiz_pictures_total", model="back", outcome="ok") == 2
    assert fresh.metric("phiz_pictures_total", model="back", outcome="unsupported_image") == 1
    assert fresh.metric("phiz_faces_total", model="back") == 6
    assert fresh.metric("phiz_stage_seconds_count", model="back", stage="decode") == 2
    assert fresh.metric("phiz_stage_seconds_count", model="back", stage="receive") == 1
    assert fresh.metric("phiz_rejected_total", reason="unsupported_image") is None


def test_who_leaves_is_not_refused(fresh: Client, png: bytes) -> None:
    async def leaving() -> AsyncIterator[bytes]:
        yield png[:10]
        raise ClientDisconnect

    request = fresh.http.post("/detect", content=leaving(), headers={"content-type": "image/png"})
    fresh.runner.run(request)
    assert fresh.metric("phiz_request_seconds_count", model="auto", outcome="disconnected") == 1
    assert fresh.metric("phiz_rejected_total", reason="disconnected") is None


@pytest.mark.parametrize(
    ("media_type", "check"),
    [
        pytest.param("text/plain", check_text, id="text"),
        pytest.param("application/openmetrics-text", check_openmetrics, id="openmetrics"),
    ],
)
def test_metrics_are_well_formed_in_the_format_that_is_asked_for(
    media_type: str, check: Callable[[str], dict[str, Metric]], client: Client, png: bytes
) -> None:
    client.ask("POST", "/detect", content=png, kind="image/png")
    accept = {"accept": f"{media_type}; version=1.0.0"}
    response = client.runner.run(client.http.get("/metrics", headers=accept))
    assert response.headers["content-type"].startswith(media_type)
    names = {name.removesuffix("_total") for name in check(response.text)}
    assert {"phiz_request_seconds", "phiz_faces", "phiz_workers", "process_cpu_seconds"} <= names


def test_metrics_in_an_unknown_version_are_text(client: Client) -> None:
    accept = {"accept": "application/openmetrics-text; version=newest"}
    response = client.ask("GET", "/metrics", headers=accept)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain")


def test_requests_are_counted_while_they_last(client: Client, png: bytes) -> None:
    async def look() -> tuple[str, str]:
        half_sent, finish = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            yield png[:10]
            half_sent.set()
            await finish.wait()
            yield png[10:]

        request = client.http.post(
            "/detect",
            content=slowly(),
            headers={"content-type": "image/png"},
        )
        task = asyncio.create_task(request)
        await half_sent.wait()
        during = await client.http.get("/metrics")
        finish.set()
        assert (await task).status_code == httpx.codes.OK
        after = await client.http.get("/metrics")
        return during.text, after.text

    during, after = client.runner.run(look())
    key = ("phiz_inflight_requests", frozenset[tuple[str, str]]())
    assert (samples(during)[key], samples(after)[key]) == (1, 0)


def test_classifiers_are_told_and_whether_they_are_built(tmp_path: Path) -> None:
    with doubles(command("unbuilt", tmp_path), REQUEST_LIMITS) as client:
        specs = catalog.load_catalog().get_models("classify")
        built = specs[0].networks[0].with_precision("int8")
        (tmp_path / built.file_name).write_bytes(b"")
        answer = ModelList.model_validate(client.ask("GET", "/models").json())
        assert [entry.name for entry in answer.classifiers] == [spec.name for spec in specs]
        for entry, spec in zip(answer.classifiers, specs, strict=True):
            assert (entry.title, entry.licence) == (spec.title, spec.licence)
            assert [each.precision for each in entry.precisions] == ["float32", "int8"]
        told = {(each.sha256, each.built) for one in answer.classifiers for each in one.precisions}
        assert {sha256 for sha256, there in told if there} == {built.sha256}
        assert len(told) == 4


@pytest.mark.parametrize("page", [None, "nowhere"])
def test_a_machine_that_was_not_measured_has_no_report(page: str | None, client: Client) -> None:
    client.app.state.study = page and Path(page)
    try:
        response = client.ask("GET", "/study")
    finally:
        client.app.state.study = None
    assert (response.status_code, response.json()["code"]) == (404, "study_missing")
    assert "phiz study" in response.json()["detail"]


def test_the_report_is_shown(client: Client, tmp_path: Path) -> None:
    (tmp_path / "study.html").write_text("<!doctype html>what networks cost")
    client.app.state.study = tmp_path / "study.html"
    try:
        response = client.ask("GET", "/study")
    finally:
        client.app.state.study = None
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in response.headers["content-security-policy"]
    assert response.text == "<!doctype html>what networks cost"


def test_models_tell_what_was_measured(client: Client) -> None:
    entries = {entry["name"]: entry for entry in client.ask("GET", "/models").json()["models"]}
    assert entries["front"]["networks"][0]["measured"] == {
        "runtime": "openvino",
        "precision": "bf16",
        "median_ms": 0.5,
        "reference_ms": 0.75,
    }
    assert entries["back"]["networks"][0]["measured"] is None


def test_of_classifiers_each_precision_tells_what_was_measured(client: Client) -> None:
    found = {entry["name"]: entry for entry in client.ask("GET", "/models").json()["classifiers"]}
    defaults = {name: entry["default_precision"] for name, entry in found.items()}
    assert defaults == {"efficientnet": "int8", "mobilenet": "float32"}
    told = {
        (name, each["precision"]): each["measured"]
        for name, entry in found.items()
        for each in entry["precisions"]
    }

    def figures(precision: str, median_ms: float, reference_ms: float) -> dict[str, object]:
        times = {"median_ms": median_ms, "reference_ms": reference_ms}
        return {"runtime": "onnxruntime", "precision": precision, **times}

    assert told == {
        ("efficientnet", "float32"): figures("float32", 5.5, 5.5),
        ("efficientnet", "int8"): figures("int8", 2.5, 5.5),
        ("mobilenet", "float32"): figures("float32", 4.5, 4.5),
        # Its figures are in study.json alone: what was chosen has others.
        ("mobilenet", "int8"): None,
    }


def test_without_a_worker_requests_are_refused_and_counted(
    png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    with doubles(command("mirrors"), REQUEST_LIMITS) as client:
        monkeypatch.setattr(WorkerPool, "is_healthy", False)
        response = client.ask("POST", "/detect", content=png, kind="image/png")
        assert (response.status_code, response.json()["code"]) == (503, "not_ready")
        count = client.metric("phiz_request_seconds_count", model="unknown", outcome="not_ready")
        assert count == 1
        assert client.metric("phiz_inflight_requests") == 0


def test_it_knows_all_paths_that_it_has() -> None:
    app = create_app(command("mirrors"), 2, REQUEST_LIMITS)
    own = {"/", "/favicon.ico", "/docs", "/openapi.json"}
    assert app.state.methods.keys() == {*app.openapi()["paths"], *own}
