import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as TheirCounter
from prometheus_client import Histogram as TheirHistogram
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from phiz.api.counts import Counter, Histogram

LABELS = ("model", "stage")
REQUEST_LIMITS = (0.0005, 0.01, 2.5)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_counts_add_up_by_their_labels(registry: CollectorRegistry) -> None:
    counter = Counter("phiz_faces", "Faces.", ("model",))
    registry.register(counter)
    for model, count in (("back", 2), ("front", 0), ("back", 3)):
        counter.add((model,), count)
    counter.add(("front",))
    assert registry.get_sample_value("phiz_faces_total", {"model": "back"}) == 5
    assert registry.get_sample_value("phiz_faces_total", {"model": "front"}) == 1
    assert registry.get_sample_value("phiz_faces_total", {"model": "full"}) is None


def test_a_histogram_is_shown_from_its_beginning_and_keeps_what_it_has(
    registry: CollectorRegistry,
) -> None:
    histogram = Histogram("phiz_seconds", "Time.", LABELS, REQUEST_LIMITS)
    registry.register(histogram)
    names = {"model": "back", "stage": "decode"}
    histogram.add_series(("back", "decode"))
    for name in ("phiz_seconds_count", "phiz_seconds_sum"):
        assert registry.get_sample_value(name, names) == 0
    histogram.observe(("back", "decode"), 2.0)
    histogram.add_series(("back", "decode"))
    assert registry.get_sample_value("phiz_seconds_count", names) == 1
    assert registry.get_sample_value("phiz_seconds_sum", names) == 2


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        pytest.param(0, (1, 1, 1, 1), id="nothing"),
        pytest.param(0.0005, (1, 1, 1, 1), id="a-bound-belongs-to-its-bucket"),
        pytest.param(0.00051, (0, 1, 1, 1), id="above-it"),
        pytest.param(2.5, (0, 0, 1, 1), id="the-last-bound"),
        pytest.param(2.6, (0, 0, 0, 1), id="above-all"),
    ],
)
def test_buckets_are_cumulative(
    registry: CollectorRegistry, seconds: float, expected: tuple[int, ...]
) -> None:
    histogram = Histogram("phiz_seconds", "Time.", LABELS, REQUEST_LIMITS)
    registry.register(histogram)
    histogram.observe(("back", "decode"), seconds)
    names = {"model": "back", "stage": "decode"}
    counts = [
        registry.get_sample_value("phiz_seconds_bucket", {**names, "le": bound})
        for bound in ("0.0005", "0.01", "2.5", "+Inf")
    ]
    assert counts == list(expected)
    assert registry.get_sample_value("phiz_seconds_count", names) == 1
    assert registry.get_sample_value("phiz_seconds_sum", names) == seconds


def test_they_are_shown_as_the_client_library_shows_its_own() -> None:
    """But for the time of creation, which the library's own tell too."""
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter, histogram = (
        Counter("phiz_faces", "Faces.", ("model",)),
        Histogram("phiz_seconds", "Time.", LABELS, REQUEST_LIMITS),
    )
    ours.register(counter)
    ours.register(histogram)
    their_counter = TheirCounter("phiz_faces", "Faces.", ("model",), registry=theirs)
    their_histogram = TheirHistogram(
        "phiz_seconds", "Time.", LABELS, buckets=REQUEST_LIMITS, registry=theirs
    )
    for labels, seconds in ((("back", "decode"), 0.001), (('a"b\\c\nd', "x"), 3.0)):
        counter.add(labels[:1], 2)
        their_counter.labels(*labels[:1]).inc(2)
        histogram.observe(labels, seconds)
        their_histogram.labels(*labels).observe(seconds)
    for generate in (generate_latest, generate_openmetrics):
        assert lines(generate(ours)) == lines(generate(theirs))


def lines(exposition: bytes) -> list[str]:
    return [line for line in exposition.decode().splitlines() if "_created" not in line]
