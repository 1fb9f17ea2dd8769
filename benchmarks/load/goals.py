"""The figures that the load benchmark is for, and the limit of each."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import TypeAlias

from benchmarks.kit.goals import Goal, Sense
from benchmarks.load.contenders import BENTOML, LITSERVE, MEDIAPIPE, MOSEC, PHIZ
from benchmarks.load.rounds import CLIENTS, DEADLINE_S, Round

LimitedFigure: TypeAlias = tuple[str, float, Sense, float]
"""Name of a figure, the figure, and its limit."""


def build_goals(rounds: Sequence[Round]) -> Iterator[Goal]:
    """Yield the figures of all parts that were measured."""
    for figures in zip(*map(_compute_figures, rounds), strict=True):
        what, _, sense, limit = figures[0]
        values = [figure for _, figure, _, _ in figures]
        yield Goal(what, median(values), sense, limit, values)


def compute_overhead_ms(each: Round, name: str) -> float:
    """Return how much longer the core is busy with an answer than in process, ms."""
    return 1000 / each.closed[name].rate - each.alone_ms[name]


def _compute_figures(each: Round) -> Iterator[LimitedFigure]:
    capacity, overhead_ms = each.closed[PHIZ].rate, compute_overhead_ms(each, PHIZ)
    efficiency = capacity * each.alone_ms[PHIZ] / 1000
    yield f"requests/s × time in process, {CLIENTS} clients", efficiency, "≥", 0.8
    if MEDIAPIPE in each.closed:
        gain = capacity / each.closed[MEDIAPIPE].rate
        yield "requests/s, to MediaPipe's in FastAPI", gain, "≥", 2
    for name, title in ((LITSERVE, "LitServe"), (BENTOML, "BentoML")):
        if name in each.closed:
            share = overhead_ms / compute_overhead_ms(each, name)
            yield f"overhead, to {title}'s", share, "≤", 0.5
    if MOSEC in each.closed:
        yield "requests/s, to mosec's", capacity / each.closed[MOSEC].rate, "≥", 0.9
    if each.two is not None:
        yield "two workers on two cores, to one on one", each.two.rate / capacity, "≥", 1.8
    if each.excess_ms is not None:
        yield "one client's time beyond the total it is told, ms", each.excess_ms, "≤", 0.6
    if each.steady is not None:
        ratio = each.steady.p99_ms / each.steady.p50_ms
        yield "p99 to p50 at 70 % of capacity", ratio, "≤", 3
    if each.overload is not None:
        load, slowest = "three times capacity", each.overload.most_ms / (1000 * DEADLINE_S)
        yield f"{load}: slowest answer to its deadline", slowest, "≤", 1
        yield f"{load}: let in and not answered in time", each.overload.expired, "≤", 0
        yield f"{load}: answers/s, to capacity", each.overload.rate / capacity, "≥", 0.9
        yield f"{load}: 99th percentile of refusals, ms", each.overload.refusal_p99_ms, "≤", 20
    if each.overload_share is not None:
        what = "three times capacity: answers for processor time, to capacity's"
        yield what, each.overload_share, "≥", 0.9
