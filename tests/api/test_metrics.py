import asyncio
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from os import sysconf
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.exposition import choose_encoder

import phiz
from phiz.api.errors import NotReadyError
from phiz.api.metrics import BUCKETS_S, Metrics
from phiz.api.request_record import RequestRecord
from phiz.errors import DeadlineError, OptionError, PhizError, UndecodableImageError
from phiz.settings import CLI_VARIABLES, list_variables
from phiz.system import procfs as processes
from phiz.system.cgroups import get_processor_share
from phiz.wire.messages import EncodedAnswer
from tests.exposition import check_openmetrics, check_text
from tests.tools import program

DOCS = Path(__file__).parents[2] / "docs"


@dataclass
class Idle:
    """A pool as it is shown."""

    replaced_workers: int = 2
    queue_depth: int = 7
    wait_s: float = 0.25
    pids: Mapping[int, int] = field(default_factory=lambda: {1: 71, 0: 70})


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the system tells of the pool's processes."""
    for process in Idle().pids.values():
        folder = tmp_path / str(process)
        folder.mkdir()
        (folder / "statm").write_text(f"900 {process} 0 0 0 0 0")
    monkeypatch.setattr(processes, "PROC_ROOT", tmp_path)

    def tell_time(clock: int) -> float:
        process = ~(clock >> 3)
        if not (tmp_path / str(process) / "statm").exists():
            raise OSError
        return process / 100

    monkeypatch.setattr(time, "clock_gettime", tell_time)
    return tmp_path


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, Idle(), {"front": "blazeface"}, ("auto",))


def answer(face_count: int | None) -> EncodedAnswer:
    stages = {"decode": 0.25, "inference": 2.0}
    return EncodedAnswer(b"", "", face_count, stages, {"pnet": 1.5}, 2.25)


def track(
    metrics: Metrics,
    model: str = "front",
    *outcomes: EncodedAnswer | PhizError,
    received_s: float = 0.0,
    error: BaseException | None = None,
    is_rendered: bool = False,
) -> RequestRecord:
    """Return the record of a request with these outcomes, which ends with an error if given."""
    record = RequestRecord("7", "POST", "/detect", "", is_rendered=is_rendered)
    with suppress(OptionError, DeadlineError, ZeroDivisionError), metrics.track_request(record):
        assert metrics.registry.get_sample_value("phiz_inflight_requests") == 1
        assert record.model == "unknown"
        record.model, record.outcomes = model, outcomes
        if received_s:
            record.received_at_s = record.started_at_s + received_s
        if error is not None:
            raise error
    assert metrics.registry.get_sample_value("phiz_inflight_requests") == 0
    return record


def test_a_request_is_timed_by_model_and_outcome(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    record = track(metrics, "back")
    labels = {"model": "back", "outcome": "ok"}
    assert registry.get_sample_value("phiz_request_seconds_count", labels) == 1
    spent_s = registry.get_sample_value("phiz_request_seconds_sum", labels)
    assert spent_s is not None
    assert 0 < spent_s < time.perf_counter() - record.started_at_s
    assert registry.get_sample_value("phiz_rejected_total", {"reason": "ok"}) is None


@pytest.mark.parametrize(
    ("error", "outcomes", "code", "rejected"),
    [
        pytest.param(OptionError("no"), [], "bad_option", 1, id="before-work"),
        pytest.param(OptionError("no"), [answer(0)], "bad_option", None, id="in-work"),
        pytest.param(ZeroDivisionError(), [], "internal", None, id="no-fault-of-the-request"),
    ],
)
def test_an_error_is_counted(
    metrics: Metrics,
    registry: CollectorRegistry,
    error: Exception,
    outcomes: list[EncodedAnswer],
    code: str,
    rejected: int | None,
) -> None:
    track(metrics, "front", *outcomes, error=error)
    labels = {"model": "front", "outcome": code}
    assert registry.get_sample_value("phiz_request_seconds_count", labels) == 1
    assert registry.get_sample_value("phiz_rejected_total", {"reason": code}) == rejected


def test_a_cancelled_request_is_answered_as_not_ready(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    with pytest.raises(NotReadyError):
        track(metrics, error=asyncio.CancelledError())
    labels = {"model": "front", "outcome": "not_ready"}
    assert registry.get_sample_value("phiz_request_seconds_count", labels) == 1
    assert registry.get_sample_value("phiz_inflight_requests") == 0


def test_stages_and_parts_are_timed_in_seconds(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    track(metrics, "mtcnn", answer(3))
    expected = {"decode": 0.25, "inference": 2, "pnet": 1.5}
    for stage, seconds in expected.items():
        labels = {"model": "mtcnn", "stage": stage}
        assert registry.get_sample_value("phiz_stage_seconds_sum", labels) == seconds
    assert registry.get_sample_value("phiz_faces_total", {"model": "mtcnn"}) == 3


def test_a_body_is_timed_once_it_has_come(metrics: Metrics, registry: CollectorRegistry) -> None:
    for received_s in (0.0, 0.25, 0.5):
        track(metrics, received_s=received_s, error=DeadlineError("late"))
    labels = {"model": "front", "stage": "receive"}
    assert registry.get_sample_value("phiz_stage_seconds_count", labels) == 2
    assert registry.get_sample_value("phiz_stage_seconds_sum", labels) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        pytest.param("phiz_rejected_total", {"reason": "overloaded"}, id="refusals"),
        pytest.param("phiz_rejected_total", {"reason": "not_found"}, id="unknown-addresses"),
        pytest.param("phiz_rejected_total", {"reason": "malformed_request"}, id="no-requests"),
        *(
            pytest.param(name, {"model": model, "outcome": outcome}, id=f"{model}-{outcome}")
            for model in ("front", "auto")
            for name, outcome in (
                ("phiz_request_seconds_count", "overloaded"),
                ("phiz_pictures_total", "ok"),
                ("phiz_pictures_total", "internal"),
                ("phiz_pictures_total", "worker_died"),
                ("phiz_pictures_total", "deadline_exceeded"),
            )
        ),
    ],
)
def test_what_may_go_wrong_is_shown_before_it_does(
    metrics: Metrics, registry: CollectorRegistry, name: str, labels: dict[str, str]
) -> None:
    assert registry.get_sample_value(name, labels) == 0
    track(metrics)
    assert registry.get_sample_value(name, labels) == 0


def test_of_a_classifier_it_is_shown_before_it_is_asked_for(registry: CollectorRegistry) -> None:
    metrics = Metrics(registry, Idle(), {"front": "blazeface"}, ("auto", "mobilenet"))
    labels = {"model": "mobilenet", "outcome": "internal"}
    assert registry.get_sample_value("phiz_pictures_total", labels) == 0
    track(metrics, "mobilenet", answer(None))
    assert registry.get_sample_value("phiz_pictures_total", labels) == 0
    assert registry.get_sample_value("phiz_faces_total", {"model": "mobilenet"}) is None
    labels["outcome"] = "ok"
    assert registry.get_sample_value("phiz_pictures_total", labels) == 1


def test_nothing_is_expected_of_a_model_that_there_is_not(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    track(metrics, "unknown", error=OptionError("no"))
    labels = {"model": "unknown", "outcome": "internal"}
    assert registry.get_sample_value("phiz_pictures_total", labels) is None


def test_before_anybody_asks_there_is_little_to_show(registry: CollectorRegistry) -> None:
    """A scrape of every five seconds should not be larger for what has never been."""
    Metrics(registry, Idle(), dict.fromkeys(("front", "back", "full", "mtcnn"), "x"), ("auto",))
    assert len(generate_latest(registry)) < 12_500


def test_no_faces_are_an_answer_too(metrics: Metrics, registry: CollectorRegistry) -> None:
    track(metrics, "front", answer(0))
    assert registry.get_sample_value("phiz_faces_total", {"model": "front"}) == 0


def test_pictures_are_counted_by_what_became_of_them(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    error = UndecodableImageError("cut short")
    track(metrics, "front", error, answer(0), error)
    for outcome, count in (("ok", 1), (error.code, 2)):
        labels = {"model": "front", "outcome": outcome}
        assert registry.get_sample_value("phiz_pictures_total", labels) == count


def test_models_are_shown(metrics: Metrics) -> None:
    labels = {"model": "front", "kind": "blazeface"}
    assert metrics.registry.get_sample_value("phiz_model_info", labels) == 1


def test_the_version_is_shown(metrics: Metrics) -> None:
    labels = {"version": phiz.__version__}
    assert metrics.registry.get_sample_value("phiz_build_info", labels) == 1


def test_workers_and_the_queue_are_shown_as_they_are(metrics: Metrics) -> None:
    value = metrics.registry.get_sample_value
    assert value("phiz_queue_depth") == 7
    assert value("phiz_queue_wait_seconds") == 0.25
    assert value("phiz_workers") == 2
    assert value("phiz_workers_replaced_total") == 2
    for worker, process in (("0", 70), ("1", 71)):
        labels = {"worker": worker}
        assert value("phiz_worker_resident_bytes", labels) == process * sysconf("SC_PAGE_SIZE")
        assert value("phiz_worker_cpu_seconds_total", labels) == process / 100


def test_processors_are_shown_as_they_are(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metrics.registry.get_sample_value("phiz_processors") == get_processor_share()
    monkeypatch.setattr("phiz.api.metrics.get_processor_share", lambda: 0.5)
    assert metrics.registry.get_sample_value("phiz_processors") == 0.5


def test_a_worker_of_which_nothing_is_told_is_counted_still(metrics: Metrics, system: Path) -> None:
    (system / "70" / "statm").unlink()
    value = metrics.registry.get_sample_value
    assert value("phiz_workers") == 2
    for name in ("phiz_worker_resident_bytes", "phiz_worker_cpu_seconds_total"):
        assert value(name, {"worker": "0"}) is None
        assert value(name, {"worker": "1"}) is not None


def test_buckets_begin_at_half_a_millisecond_and_rise() -> None:
    assert (BUCKETS_S[0], BUCKETS_S[-1]) == (0.0005, 10)
    assert list(BUCKETS_S) == sorted(set(BUCKETS_S))


@pytest.fixture
def used(metrics: Metrics) -> Metrics:
    """Everything has been counted once."""
    track(metrics, "unknown", error=OptionError("no"))
    track(metrics, "mtcnn", answer(3), is_rendered=True)
    metrics.count_frame("mtcnn", answer(3))
    return metrics


def test_frame_of_a_stream_is_an_image_too(metrics: Metrics) -> None:
    read = metrics.registry.get_sample_value
    with metrics.track_stream():
        assert read("phiz_streams") == 1
        metrics.count_frame("back", answer(3))
        metrics.count_frame("back", OptionError("no"))
        metrics.count_dropped_frame()
    assert read("phiz_streams") == 0
    for name in ("phiz_frames_total", "phiz_pictures_total"):
        for outcome in ("ok", "bad_option"):
            assert read(name, {"model": "back", "outcome": outcome}) == 1
    assert read("phiz_faces_total", {"model": "back"}) == 3
    assert read("phiz_frames_dropped_total") == 1


def ours(metrics: Metrics) -> list[Metric]:
    families = metrics.registry.collect()
    return [family for family in families if family.name.startswith("phiz")]


def test_every_metric_says_what_it_is(used: Metrics) -> None:
    assert {family.name for family in ours(used)} == {
        "phiz_request_seconds",
        "phiz_render_seconds",
        "phiz_stage_seconds",
        "phiz_pictures",
        "phiz_faces",
        "phiz_inflight_requests",
        "phiz_rejected",
        "phiz_slow_readers",
        "phiz_streams",
        "phiz_frames",
        "phiz_frames_dropped",
        "phiz_queue_depth",
        "phiz_queue_wait_seconds",
        "phiz_build_info",
        "phiz_model_info",
        "phiz_workers",
        "phiz_processors",
        "phiz_workers_replaced",
        "phiz_worker_resident_bytes",
        "phiz_worker_cpu_seconds",
    }
    assert all(family.documentation.endswith(".") for family in ours(used))


def test_both_expositions_are_well_formed_and_tell_the_same(used: Metrics) -> None:
    text = check_text(generate_latest(used.registry).decode())
    encode, _ = choose_encoder("application/openmetrics-text; version=1.0.0")
    openmetrics = check_openmetrics(encode(used.registry).decode())
    names = {family.name for family in ours(used)}
    assert {name for name in text if name.startswith("phiz")} == names
    for name in names:
        assert text[name].type == openmetrics[name].type
        assert text[name].samples == openmetrics[name].samples


@pytest.mark.needs("promtool")
def test_prometheus_finds_nothing_wrong_with_them(used: Metrics) -> None:
    checked = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=generate_latest(used.registry),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert (checked.stdout.decode(), checked.returncode) == ("", 0)


def rows(page: str) -> list[list[str]]:
    """The cells of the tables of a page."""
    text = (DOCS / page).read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return [line.strip().strip("|").split("|") for line in lines]


def names(cell: str) -> list[str]:
    """What is written as code."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_documentation_names_every_metric_with_its_kind_and_labels(used: Metrics) -> None:
    documented = {
        name: (kind.strip(), set(names(labels)))
        for name_cell, kind, labels, _ in rows("metrics.md")
        for name in names(name_cell)
    }
    assert documented == {shown(family): (family.type, labels_of(family)) for family in ours(used)}


def shown(family: Metric) -> str:
    return family.name + {"counter": "_total"}.get(family.type, "")


def labels_of(family: Metric) -> set[str]:
    return {label for sample in family.samples for label in sample.labels} - {"le"}


def test_the_documentation_names_every_bucket() -> None:
    text = " ".join((DOCS / "metrics.md").read_text("utf-8").split())
    _, _, rest = text.partition("The histograms' buckets end at ")
    listed, _, _ = rest.partition(" seconds.")
    assert [float(bound) for bound in re.split(", | and ", listed)] == list(BUCKETS_S)


def test_the_documentation_names_every_setting_and_no_other() -> None:
    documented = [name for row in rows("settings.md") for name in names(row[0])]
    assert sorted(documented) == sorted([*list_variables(), *CLI_VARIABLES])
