"""What to run, in plain words: for the lowest latency, the best answers, the smallest memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from phiz.lab.accuracy.gates import WORTHWHILE
from phiz.lab.study.quality import Quality
from phiz.lab.study.record import Figures, Study
from phiz.lab.study.summary import counting, is_too_noisy, noisy, plain_figures, timed
from phiz.runtime.variants import REFERENCE, Variant

GOALS: Final = ("lowest latency", "best answers", "smallest memory")
ACCURACY: Final = {"classify": "right", "face": "average precision"}
MEGABYTE: Final = 1_000_000
NAMED: Final = 3
SAME: Final = 0.001  # apart, two shares of right answers are not worth another choice
BUDGETS_MS: Final = (1, 2, 3, 5, 10, 20, 50, 100, 200)
"""Latencies that people ask for."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model in one variant, one picture on one thread.

    Attributes:
        model: Its name.
        variant: Runtime and precision.
        median_ms: Of a picture: the network of a classifier, all stages of a face model.
        answers: What is best is highest: the share that is right, or that agrees with float32.
        peak_bytes: The largest of its networks' processes.
    """

    model: str
    variant: Variant
    median_ms: float
    answers: float
    peak_bytes: int

    def __str__(self) -> str:
        return f"{self.model} in {self.variant}"


@dataclass(frozen=True, slots=True)
class Advice:
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


def advise(study: Study) -> list[Advice]:
    """Return the recommendations by group and goal; none for a group of which nothing is built."""
    return [
        advice
        for group in ("classify", "face")
        if (found := candidates(study, group))
        for advice in _advise(study, group, found)
    ]


def candidates(study: Study, group: str) -> list[Candidate]:
    """Return the models of a group in every variant whose answers stand in for float32's.

    The simplest come first: the reference, then other runtimes and lower precisions.
    """
    plain = {
        (each.combination.network, each.combination.variant): each for each in plain_figures(study)
    }
    return [
        _candidate(study, quality, group, plain)
        for quality in study.qualities
        if quality.passes or quality.variant == REFERENCE
        if study.group_of(quality.model) == group
    ]


def pareto(found: Sequence[Candidate]) -> list[Candidate]:
    """Return those that no other is both faster and better than, the fastest first."""
    front: list[Candidate] = []
    for each in sorted(found, key=lambda each: (each.median_ms, -each.answers)):
        if not front or each.answers > front[-1].answers:
            front.append(each)
    return front


def simplest(found: Sequence[Candidate], cost: Callable[[Candidate], float]) -> Candidate:
    """Return the first whose cost is the lowest, but for what is not worth another choice.

    So that noise of a few percent does not decide: what is cheaper by less than a twentieth
    is not preferred to what comes before it.
    """
    least = min(cost(each) for each in found)
    return next(each for each in found if cost(each) * WORTHWHILE <= least)


def best_within(found: Sequence[Candidate], budget_ms: float) -> Candidate | None:
    """Return the best answers within a latency, or None if nothing is as fast."""
    fast = [each for each in found if each.median_ms <= budget_ms]
    if not fast:
        return None
    return simplest(_best(fast), lambda each: each.median_ms)


def _best(found: Sequence[Candidate]) -> list[Candidate]:
    most = max(each.answers for each in found)
    return [each for each in found if each.answers >= most - SAME]


def within(study: Study, group: str) -> Iterator[tuple[float, Candidate]]:
    """Yield for growing latencies the best answers within them, each time another is best.

    Without photographs nobody knows which are best.
    """
    if not study.has_photographs:
        return
    before = None
    for budget_ms in BUDGETS_MS:
        best = best_within(candidates(study, group), budget_ms)
        if best is not None and best != before:
            yield budget_ms, best
            before = best


def noise(study: Study) -> str:
    """Return in a sentence how far the figures can be trusted."""
    visits = timed(study)
    if all(len(each) == 1 for each in visits.values()):
        return "There was one visit, so that nothing tells how noisy the machine was."
    counted = counting(study)
    single = noisy(study)
    named = f" ({', '.join(single[:NAMED])}{', …' if len(single) > NAMED else ''})" * bool(single)
    told = (
        f"Of {len(counted)} visits, {counted.count(False)} do not count: they took over 10 %"
        f" longer than the quietest of their kind. Of {len(visits)} times on one thread,"
        f" {len(single)} stand on a single visit{named}."
    )
    stolen = "" if study.stolen is None else f" The host gave {study.stolen:.1%} of the time away."
    verdict = (
        "The machine was too noisy: do not trust small differences, and measure again."
        if is_too_noisy(study)
        else "The machine was quiet enough."
    )
    return f"{verdict} {told}{stolen}"


def _candidate(
    study: Study,
    quality: Quality,
    group: str,
    plain: dict[tuple[str, Variant], Figures],
) -> Candidate:
    names = [name for name, facts in study.networks.items() if facts.model == quality.model]
    figures = [plain[name, _own(quality, name)] for name in names]
    first = next(iter(quality.accuracy.values()), quality.agreement)
    return Candidate(
        quality.model,
        quality.variant,
        figures[0].median_ms if group == "classify" else quality.median_ms,
        first,
        max((each.peak_bytes or 0 for each in figures), default=0),
    )


def _own(quality: Quality, network: str) -> Variant:
    """Return the variant of a network when its model is in one: not all are run in 8 bits."""
    variant = quality.variant
    if quality.forms[network] == variant.form:
        return variant
    return Variant(variant.runtime, "float32")


def _advise(study: Study, group: str, found: Sequence[Candidate]) -> Iterator[Advice]:
    fast = simplest(found, lambda each: each.median_ms)
    yield Advice(group, GOALS[0], fast, f"{fast.median_ms:.2f} ms a picture")
    if study.has_photographs:
        best = simplest(_best(found), lambda each: each.median_ms)
        right = f"{best.answers:.1%} {ACCURACY[group]}"
        yield Advice(group, GOALS[1], best, f"{right}, {best.median_ms:.2f} ms a picture")
    small = simplest(found, lambda each: each.peak_bytes)
    yield Advice(group, GOALS[2], small, f"{small.peak_bytes / MEGABYTE:.0f} MB at most")
