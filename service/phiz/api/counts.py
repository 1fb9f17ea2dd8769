"""Counters and histograms as Prometheus has them, cheap enough for every request.

An observation takes 0.2 µs, and 0.8 to 3 µs with those of prometheus-client: a lookup of the
labels, a lock, and a walk through the buckets. A request makes eight, all in the event loop.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


@dataclass(slots=True, eq=False)
class Counter(Collector):
    """A counter, for one thread.

    Attributes:
        name: Name without the suffix ``_total``.
        documentation: Help text of the metric.
        labels: Names of the labels.
        values: Count by the values of the labels.
    """

    name: str
    documentation: str
    labels: tuple[str, ...]
    values: dict[tuple[str, ...], int] = field(default_factory=dict)

    def add(self, labels: tuple[str, ...], count: int = 1) -> None:
        """Increase the count; by 0 to show it."""
        self.values[labels] = self.values.get(labels, 0) + count

    def collect(self) -> Iterable[Metric]:
        """Yield the metric."""
        family = CounterMetricFamily(self.name, self.documentation, labels=self.labels)
        for labels, value in self.values.items():
            family.add_metric(labels, value)
        yield family


@dataclass(slots=True, eq=False)
class Histogram(Collector):
    """A histogram of seconds, for one thread.

    Attributes:
        name: Name of the metric.
        documentation: Help text of the metric.
        labels: Names of the labels.
        bounds_s: Upper bound of each bucket, inclusive, ascending. One more bucket has none.
        counts: Observations in each bucket, by the values of the labels.
        sums: Sum of the observations, by the values of the labels.
    """

    name: str
    documentation: str
    labels: tuple[str, ...]
    bounds_s: tuple[float, ...]
    counts: dict[tuple[str, ...], list[int]] = field(default_factory=dict)
    sums: dict[tuple[str, ...], float] = field(default_factory=dict)

    def add_series(self, labels: tuple[str, ...]) -> list[int]:
        """Show these labels from now on. Return the observations in each bucket."""
        self.sums.setdefault(labels, 0.0)
        return self.counts.setdefault(labels, [0] * (len(self.bounds_s) + 1))

    def observe(self, labels: tuple[str, ...], seconds: float) -> None:
        """Count one observation."""
        counts = self.counts.get(labels)
        if counts is None:
            counts = self.add_series(labels)
        counts[bisect_left(self.bounds_s, seconds)] += 1
        self.sums[labels] += seconds

    def collect(self) -> Iterable[Metric]:
        """Yield the metric, its buckets cumulative as the format requires."""
        family = HistogramMetricFamily(self.name, self.documentation, labels=self.labels)
        names = (*map(floatToGoString, self.bounds_s), "+Inf")
        for labels, counts in self.counts.items():
            buckets = list(zip(names, accumulate(counts), strict=True))
            family.add_metric(labels, buckets, self.sums[labels])
        yield family
