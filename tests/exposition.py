"""Checks of what ``/metrics`` answers, by the parsers of Prometheus's client library."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

KINDS = {"counter", "gauge", "histogram"}


def check_text(text: str) -> dict[str, Metric]:
    """Return the families of a text exposition by name, each of which is well formed.

    Raises:
        AssertionError: A family is announced twice or not at all, or a sample is there twice,
            has a wrong name, or contradicts another.
        ValueError: A line does not parse.
    """
    announced = re.findall(r"^# (HELP|TYPE) (\S+) \S", text, re.MULTILINE)
    _check_unique(announced)
    helped, typed = ({name for word, name in announced if word == of} for of in ("HELP", "TYPE"))
    assert helped == typed, f"one of HELP and TYPE is missing for {helped ^ typed}"
    families = list(text_string_to_metric_families(text))
    assert len(families) == len(typed)  # a family that is not announced is one more
    return _checked(families)


def check_openmetrics(text: str) -> dict[str, Metric]:
    """Return the families of an OpenMetrics exposition by name, as ``check_text`` does."""
    return _checked(list(parse_openmetrics(text)))  # type: ignore[no-untyped-call]  # as shipped


def _checked(families: list[Metric]) -> dict[str, Metric]:
    _check_unique(family.name for family in families)
    for family in families:
        assert family.documentation, f"{family.name} has no help"
        assert family.type in KINDS, f"{family.name} is of the type {family.type}"
        _check_unique(map(_key, family.samples))
        _check_samples(family)
    return {family.name: family for family in families}


def _check_samples(family: Metric) -> None:
    endings = {"counter": {"_total"}, "histogram": {"_bucket", "_count", "_sum"}}
    allowed = {family.name + ending for ending in endings.get(family.type, {""})}
    named = {sample.name for sample in family.samples}
    assert named <= allowed, f"{family.name} has samples {named - allowed}"
    assert not family.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert family.type == "gauge" or all(sample.value >= 0 for sample in family.samples)
    if family.type == "histogram":
        _check_buckets(family)


def _check_buckets(family: Metric) -> None:
    """Bounds rise, counts do not fall, and the last bucket has every observation."""
    buckets = defaultdict[frozenset[tuple[str, str]], list[tuple[float, float]]](list)
    counts = {}
    for sample in family.samples:
        labels = dict(sample.labels)
        bound = float(labels.pop("le", "nan"))
        series = frozenset(labels.items())
        if sample.name.endswith("_bucket"):
            buckets[series].append((bound, sample.value))
        elif sample.name.endswith("_count"):
            counts[series] = sample.value
    last = {series: found[-1] for series, found in buckets.items()}
    assert last == {series: (math.inf, count) for series, count in counts.items()}
    for found in buckets.values():
        for values in zip(*found, strict=True):
            assert list(values) == sorted(values)


def _key(sample: Sample) -> tuple[str, frozenset[tuple[str, str]]]:
    return sample.name, frozenset(sample.labels.items())


def _check_unique(values: Iterable[Hashable]) -> None:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    assert not repeated, f"{repeated} are there twice"
