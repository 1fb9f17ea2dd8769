"""What to run, in plain words: for the lowest latency, the best answers, the smallest memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from phiz.lab.accuracy.gates import MAX_TIME_RATIO
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Measurement, Study
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
MEGABYTE: Final = 1_000_000
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
        accuracy: What is best is highest: the share that is right, or that agrees with float32.
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
    """What to run.

    Attributes:
        group: Of the models, "classify" or "face".
        goal: What it is best for.
        candidate: That is recommended.
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
    return [
        recommendation
        for group in ("classify", "face")
        if (found := list_candidates(study, group))
        for recommendation in _recommend_group(study, group, found)
    ]


def list_candidates(study: Study, group: str) -> list[Candidate]:
    """Return the models of a group in every variant whose answers stand in for float32's.

    The simplest come first: the reference, then other runtimes and lower precisions.
    """
    plain = {
        (each.combination.network, each.combination.variant): each
        for each in list_plain_measurements(study)
    }
    return [
        _build_candidate(study, quality, group, plain)
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
    """Return the first whose cost is the lowest, but for what is not worth another choice.

    So that noise of a few percent does not decide: what is cheaper by less than a twentieth
    is not preferred to what comes before it.
    """
    least = min(cost(each) for each in found)
    return next(each for each in found if cost(each) * MAX_TIME_RATIO <= least)


def find_best_within(found: Sequence[Candidate], budget_ms: float) -> Candidate | None:
    """Return the best answers within a latency, or None if nothing is as fast."""
    fast = [each for each in found if each.median_ms <= budget_ms]
    if not fast:
        return None
    return find_simplest(_list_best(fast), lambda each: each.median_ms)


def _list_best(found: Sequence[Candidate]) -> list[Candidate]:
    most = max(each.accuracy for each in found)
    return [each for each in found if each.accuracy >= most - ACCURACY_TOLERANCE]


def iterate_best_within(study: Study, group: str) -> Iterator[tuple[float, Candidate]]:
    """Yield for growing latencies the best answers within them, each time another is best.

    Without photographs nobody knows which are best.
    """
    if not study.has_photographs:
        return
    before = None
    for budget_ms in BUDGETS_MS:
        best = find_best_within(list_candidates(study, group), budget_ms)
        if best is not None and best != before:
            yield budget_ms, best
            before = best


def describe_noise(study: Study) -> str:
    """Return in a sentence how far the figures can be trusted."""
    medians_ms = collect_round_medians(study)
    if all(len(each) == 1 for each in medians_ms.values()):
        return "There was one visit, so that nothing tells how noisy the machine was."
    counted = mark_counted_rounds(study)
    single = list_noisy(study)
    named = f" ({', '.join(single[:MAX_NAMED])}{', …' if len(single) > MAX_NAMED else ''})" * bool(
        single
    )
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


def _build_candidate(
    study: Study,
    quality: VariantQuality,
    group: str,
    plain: dict[tuple[str, Variant], Measurement],
) -> Candidate:
    names = [name for name, facts in study.networks.items() if facts.model == quality.model]
    figures = [plain[name, _get_network_variant(quality, name)] for name in names]
    first = next(iter(quality.accuracy.values()), quality.agreement)
    return Candidate(
        quality.model,
        quality.variant,
        figures[0].median_ms if group == "classify" else quality.median_ms,
        first,
        max((each.peak_bytes or 0 for each in figures), default=0),
    )


def _get_network_variant(quality: VariantQuality, network: str) -> Variant:
    """Return the variant of a network when its model is in one: not all are run in 8 bits."""
    variant = quality.variant
    if quality.forms[network] == variant.network_precision:
        return variant
    return Variant(variant.runtime, "float32")


def _recommend_group(
    study: Study, group: str, found: Sequence[Candidate]
) -> Iterator[Recommendation]:
    fast = find_simplest(found, lambda each: each.median_ms)
    yield Recommendation(group, GOALS[0], fast, f"{fast.median_ms:.2f} ms a picture")
    if study.has_photographs:
        best = find_simplest(_list_best(found), lambda each: each.median_ms)
        right = f"{best.accuracy:.1%} {ACCURACY_NAMES[group]}"
        yield Recommendation(group, GOALS[1], best, f"{right}, {best.median_ms:.2f} ms a picture")
    small = find_simplest(found, lambda each: each.peak_bytes)
    yield Recommendation(group, GOALS[2], small, f"{small.peak_bytes / MEGABYTE:.0f} MB at most")
