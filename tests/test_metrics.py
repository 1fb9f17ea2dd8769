import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from phiz.errors import OptionError
from phiz.metrics import BUCKETS_S, Metrics
from phiz.settings import READ_ELSEWHERE, known_variables
from phiz.timings import Timings

DOCUMENT = Path(__file__).parents[1] / "docs" / "service.md"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> Metrics:
    return Metrics(registry, lambda: 7)


def code(error: BaseException) -> str:
    return type(error).__name__


def test_a_request_is_timed_by_model_and_outcome(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    with metrics.request(code) as observation:
        assert registry.get_sample_value("phiz_inflight_requests") == 1
        observation.model = "back"
    labels = {"model": "back", "outcome": "ok"}
    assert registry.get_sample_value("phiz_request_seconds_count", labels) == 1
    assert registry.get_sample_value("phiz_inflight_requests") == 0
    assert registry.get_sample_value("phiz_rejected_total", {"reason": "ok"}) is None


@pytest.mark.parametrize(
    ("error", "admitted", "rejected"),
    [
        pytest.param(OptionError, False, 1, id="before-work"),
        pytest.param(OptionError, True, None, id="in-work"),
        pytest.param(KeyError, False, None, id="no-fault-of-the-request"),
    ],
)
def test_an_error_is_counted_and_passed_on(
    metrics: Metrics,
    registry: CollectorRegistry,
    *,
    error: type[Exception],
    admitted: bool,
    rejected: int | None,
) -> None:
    def fail() -> None:
        with metrics.request(code) as observation:
            observation.admitted = admitted
            raise error

    with pytest.raises(error):
        fail()
    labels = {"model": "unknown", "outcome": error.__name__}
    assert registry.get_sample_value("phiz_request_seconds_count", labels) == 1
    assert registry.get_sample_value("phiz_rejected_total", {"reason": error.__name__}) == rejected
    assert registry.get_sample_value("phiz_inflight_requests") == 0


def test_stages_and_parts_are_timed_in_seconds(
    metrics: Metrics, registry: CollectorRegistry
) -> None:
    metrics.answered("mtcnn", Timings({"decode": 0.25, "inference": 2}, {"pnet": 1.5}, 2.25), 3)
    expected = {"decode": 0.25, "inference": 2, "pnet": 1.5}
    for stage, seconds in expected.items():
        labels = {"model": "mtcnn", "stage": stage}
        assert registry.get_sample_value("phiz_stage_seconds_sum", labels) == seconds
    assert registry.get_sample_value("phiz_faces_total", {"model": "mtcnn"}) == 3


def test_no_faces_are_an_answer_too(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.answered("front", Timings({}, {}, 0), 0)
    assert registry.get_sample_value("phiz_faces_total", {"model": "front"}) == 0


def test_models_and_the_queue_are_shown(metrics: Metrics, registry: CollectorRegistry) -> None:
    metrics.loaded({"front": "blazeface"})
    labels = {"model": "front", "kind": "blazeface"}
    assert registry.get_sample_value("phiz_model_info", labels) == 1
    assert registry.get_sample_value("phiz_queue_depth") == 7


def test_buckets_begin_at_half_a_millisecond_and_rise() -> None:
    assert (BUCKETS_S[0], BUCKETS_S[-1]) == (0.0005, 10)
    assert list(BUCKETS_S) == sorted(set(BUCKETS_S))


def test_every_metric_says_what_it_is(metrics: Metrics) -> None:
    families = list(metrics.registry.collect())
    ours = {family.name for family in families if family.name.startswith("phiz")}
    assert ours == {
        "phiz_request_seconds",
        "phiz_stage_seconds",
        "phiz_faces",
        "phiz_inflight_requests",
        "phiz_rejected",
        "phiz_queue_depth",
        "phiz_model_info",
    }
    assert all(family.documentation for family in families)


def first_column(heading: str) -> list[str]:
    """What is written as code in the first column of the table below a heading."""
    _, _, rest = DOCUMENT.read_text("utf-8").partition(f"## {heading}\n")
    section, _, _ = rest.partition("\n## ")
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_the_documentation_names_every_metric_and_no_other(metrics: Metrics) -> None:
    ours = [family for family in metrics.registry.collect() if family.name.startswith("phiz")]
    suffix = {"counter": "_total"}
    names = [family.name + suffix.get(family.type, "") for family in ours]
    assert sorted(first_column("Metrics")) == sorted(names)


def test_the_documentation_names_every_setting_and_no_other() -> None:
    assert sorted(first_column("Settings")) == sorted([*known_variables(), *READ_ELSEWHERE])
