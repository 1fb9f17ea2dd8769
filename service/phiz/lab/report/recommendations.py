"""Recommendations: the lowest latency, the best answers and the smallest memory, in plain words."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from operator import itemgetter
from typing import Final

from phiz.lab.accuracy.gates import MAX_TIME_RATIO
from phiz.lab.report.tables import MEGABYTE
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Study
from phiz.lab.study.summary import (
    collect_round_medians,
    is_too_noisy,
    list_noisy,
    list_plain_measurements,
    mark_counted_rounds,
)
from phiz.runtime.variants import REFERENCE_VARIANT, Variant

GOALS: Final = ("lowest latency", "best answers", "smallest memory")
ACCURACY_NAMES: Final = {"classify": "right", "face": "average precision"}
MAX_NAMED: Final = 3
ACCURACY_TOLERANCE: Final = 0.001  # apart, two shares of right answers are not worth another choice
BUDGETS_MS: Final = (1, 2, 3, 5, 10, 20, 50, 100, 200)
"""Latencies that people ask for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model in one variant, one picture on one thread.

    Attributes:
        model: Its name.
        variant: Runtime and precision.
        median_ms: Of a picture: the network of a classifier, all stages of a face model.
        accuracy: The share of answers that are right, or that agree with float32.
        peak_bytes: The largest of its networks' processes.
    """

    model: str
    variant: Variant
    median_ms: float
    accuracy: float
    peak_bytes: int

    def __str__(self) -> str:
        return f"{self.model} in {self.variant}"


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The best candidate for a goal.

    Attributes:
        group: Of the models, "classify" or "face".
        goal: One of ``GOALS``.
        candidate: The recommended one.
        reason: With its figures.
    """

    group: str
    goal: str
    candidate: Candidate
    reason: str

    def __str__(self) -> str:
        return f"{self.group}, {self.goal}: {self.candidate} ({self.reason})"


def recommend_variants(study: Study) -> list[Recommendation]:
    """Return the recommendations by group and goal; none for a group of which nothing is built."""
    return [each for group in ACCURACY_NAMES for each in _recommend_group(study, group)]


def list_candidates(study: Study, group: str) -> list[Candidate]:
    """Return the models of a group in every variant whose answers stand in for float32's.

    The simplest come first: the reference, then other runtimes and lower precisions.
    """
    return [
        _build_candidate(study, quality, group)
        for quality in study.qualities
        if quality.passes or quality.variant == REFERENCE_VARIANT
        if study.get_group(quality.model) == group
    ]


def find_pareto_front(found: Sequence[Candidate]) -> list[Candidate]:
    """Return those that no other is both faster and better than, the fastest first."""
    front: list[Candidate] = []
    for each in sorted(found, key=lambda each: (each.median_ms, -each.accuracy)):
        if not front or each.accuracy > front[-1].accuracy:
            front.append(each)
    return front


def find_simplest(found: Sequence[Candidate], cost: Callable[[Candidate], float]) -> Candidate:
    """Return the first whose cost is the lowest, or within a twentieth of the lowest.

    So noise of a few percent does not decide.
    """
    least = min(map(cost, found))
    return next(each for each in found if cost(each) * MAX_TIME_RATIO <= least)


def find_best_within(found: Sequence[Candidate], budget_ms: float) -> Candidate | None:
    """Return the best answers within a latency, or None if nothing is as fast."""
    fast = [each for each in found if each.median_ms <= budget_ms]
    if not fast:
        return None
    most = max(each.accuracy for each in fast)
    best = [each for each in fast if each.accuracy >= most - ACCURACY_TOLERANCE]
    return find_simplest(best, _get_latency)


def iterate_best_within(study: Study, group: str) -> Iterator[tuple[float, Candidate]]:
    """Yield for growing latencies the best answers within them, each time another is best.

    Without photographs there are none, because the right answers are not known.
    """
    found = list_candidates(study, group) if study.has_photographs else []
    bests = ((budget_ms, find_best_within(found, budget_ms)) for budget_ms in BUDGETS_MS)
    for best, budgets in groupby(bests, itemgetter(1)):
        if best:
            yield next(budgets)[0], best


def describe_noise(study: Study) -> str:
    """Return in a sentence how far the figures can be trusted."""
    medians_ms = collect_round_medians(study)
    if all(len(each) == 1 for each in medians_ms.values()):
        return "There was one visit, so that nothing tells how noisy the machine was."
    counted = mark_counted_rounds(study)
    single = list_noisy(study)
    names = ", ".join([*single[:MAX_NAMED], *(["…"] if len(single) > MAX_NAMED else [])])
    named = f" ({names})" if single else ""
    details = (
        f"Of {len(counted)} visits, {counted.count(False)} do not count: they took over 10 %"
        f" longer than the quietest of their kind. Of {len(medians_ms)} times on one thread,"
        f" {len(single)} stand on a single visit{named}."
    )
    stolen = "" if study.stolen is None else f" The host gave {study.stolen:.1%} of the time away."
    verdict = (
        "The machine was too noisy: do not trust small differences, and measure again."
        if is_too_noisy(study)
        else "The machine was quiet enough."
    )
    return f"{verdict} {details}{stolen}"


def _build_candidate(study: Study, quality: VariantQuality, group: str) -> Candidate:
    figures = [
        each
        for each in list_plain_measurements(study)
        if study.networks[each.combination.network].model == quality.model
        if each.combination.variant == _get_network_variant(quality, each.combination.network)
    ]
    return Candidate(
        quality.model,
        quality.variant,
        figures[0].median_ms if group == "classify" else quality.median_ms,
        next(iter(quality.accuracy.values()), quality.agreement),
        max((each.peak_bytes or 0 for each in figures), default=0),
    )


def _get_network_variant(quality: VariantQuality, network: str) -> Variant:
    """Return the variant of a network when its model is in one: not all are run in 8 bits."""
    variant = quality.variant
    is_own = quality.forms[network] == variant.network_precision
    return variant if is_own else Variant(variant.runtime, "float32")


def _get_latency(candidate: Candidate) -> float:
    return candidate.median_ms


def _recommend_group(study: Study, group: str) -> Iterator[Recommendation]:
    found = list_candidates(study, group)
    if not found:
        return
    fast = find_simplest(found, _get_latency)
    yield Recommendation(group, GOALS[0], fast, f"{fast.median_ms:.2f} ms a picture")
    best = find_best_within(found, inf)
    if study.has_photographs and best:
        right = f"{best.accuracy:.1%} {ACCURACY_NAMES[group]}"
        yield Recommendation(group, GOALS[1], best, f"{right}, {best.median_ms:.2f} ms a picture")
    small = find_simplest(found, lambda each: each.peak_bytes)
    yield Recommendation(group, GOALS[2], small, f"{small.peak_bytes / MEGABYTE:.0f} MB at most")
