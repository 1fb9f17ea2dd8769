"""The figures that the load benchmark is for, and the limit of each."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Final

from benchmarks.kit.goals import Goal, Sense
from benchmarks.load.contenders import BENTOML, LITSERVE, MEDIAPIPE, MOSEC, PHIZ
from benchmarks.load.rounds import CLIENTS, DEADLINE_S, Round

EFFICIENCY: Final = f"requests/s × time in process, {CLIENTS} clients"
TWO_CORE_GAIN: Final = "two workers on two cores, to one on one"
EXCESS: Final = "one client's time beyond the total it is told, ms"
TAIL: Final = "p99 to p50 at 70 % of capacity"
SLOWEST: Final = "three times capacity: slowest answer to its deadline"
EXPIRED: Final = "three times capacity: let in and not answered in time"
KEPT_CAPACITY: Final = "three times capacity: answers/s, to capacity"
REFUSAL: Final = "three times capacity: median time of a refusal, ms"
RATE_GAINS: Final = {
    MEDIAPIPE: "requests/s, to MediaPipe's in FastAPI",
    MOSEC: "requests/s, to mosec's",
}
OVERHEADS: Final = {LITSERVE: "overhead, to LitServe's", BENTOML: "overhead, to BentoML's"}
LIMITS: Final[Mapping[str, tuple[Sense, float]]] = {
    EFFICIENCY: ("≥", 0.8),
    RATE_GAINS[MEDIAPIPE]: ("≥", 2),
    OVERHEADS[LITSERVE]: ("≤", 0.5),
    OVERHEADS[BENTOML]: ("≤", 0.5),
    RATE_GAINS[MOSEC]: ("≥", 0.9),
    TWO_CORE_GAIN: ("≥", 1.8),
    EXCESS: ("≤", 0.6),
    TAIL: ("≤", 3),
    SLOWEST: ("≤", 1),
    EXPIRED: ("≤", 0),
    KEPT_CAPACITY: ("≥", 0.9),
    REFUSAL: ("≤", 20),
}


def build_goals(rounds: Sequence[Round]) -> Iterator[Goal]:
    """Yield the figures of all parts that were measured."""
    figures = [dict(_compute_figures(each)) for each in rounds]
    for what, (sense, limit) in LIMITS.items():
        if what in figures[0]:
            values = [each[what] for each in figures]
            yield Goal(what, median(values), sense, limit, values)


def compute_overhead_ms(each: Round, name: str) -> float:
    """Return how much longer the core is busy with an answer than in process, ms."""
    return 1000 / each.closed[name].rate - each.alone_ms[name]


def _compute_figures(each: Round) -> Iterator[tuple[str, float]]:
    capacity = each.closed[PHIZ].rate
    yield EFFICIENCY, capacity * each.alone_ms[PHIZ] / 1000
    for name in each.closed.keys() & RATE_GAINS:
        yield RATE_GAINS[name], capacity / each.closed[name].rate
    for name in each.closed.keys() & OVERHEADS:
        yield OVERHEADS[name], compute_overhead_ms(each, PHIZ) / compute_overhead_ms(each, name)
    if each.two is not None:
        yield TWO_CORE_GAIN, each.two.rate / capacity
    if each.excess_ms is not None:
        yield EXCESS, each.excess_ms
    if each.steady is not None:
        yield TAIL, each.steady.p99_ms / each.steady.p50_ms
    if each.overload is not None:
        yield SLOWEST, each.overload.most_ms / (1000 * DEADLINE_S)
        yield EXPIRED, each.overload.expired
        yield KEPT_CAPACITY, each.overload.rate / capacity
        yield REFUSAL, each.overload.refusal_ms
