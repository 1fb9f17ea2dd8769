"""The figures that the load benchmark is for, and the limit of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.kit.goals import Clock, Goal, Sense
from benchmarks.load.contenders import BENTOML, LITSERVE, MEDIAPIPE, MOSEC, PHIZ
from benchmarks.load.rounds import CLIENTS, DEADLINE_S, Round

OVERLOAD = "three times capacity"
SERVICE, WORKER = "service's processor time a request", "its worker's"


@dataclass(frozen=True, slots=True)
class _Figure:
    """A figure of one round, and its limit; None is no limit."""

    what: str
    value: float
    sense: Sense
    limit: float | None
    clock: Clock = "wall"


def build_goals(rounds: Sequence[Round]) -> Iterator[Goal]:
    """Yield the figures of all parts that were measured, each the median of its rounds."""
    by_name: dict[str, list[_Figure]] = {}
    for each in rounds:
        for figure in (*_compare_servers(each), *_describe_parts(each)):
            by_name.setdefault(figure.what, []).append(figure)
    for what, figures in by_name.items():
        values = [figure.value for figure in figures]
        first = figures[0]
        yield Goal(what, median(values), first.sense, first.limit, values, clock=first.clock)


def compute_overhead_ms(each: Round, name: str) -> float:
    """Return the processor time of an answer beyond the same in process, ms."""
    return each.closed[name].processor_ms - each.alone_processor_ms[name]


def _compare_servers(each: Round) -> Iterator[_Figure]:
    """Yield the figures of phiz and of each peer in turns with it."""
    ours = each.closed[PHIZ]
    what = f"requests/s × time in process, {CLIENTS} clients"
    yield _Figure(what, ours.rate * each.alone_ms[PHIZ] / 1000, "≥", 0.85)
    yield _Figure(f"{SERVICE}, ms", ours.service_ms, "≤", 0.25, "processor")
    yield _Figure(
        f"{SERVICE}, to {WORKER}", ours.service_ms / ours.workers_ms, "≤", None, "processor"
    )
    if MEDIAPIPE in each.closed:
        ours, other = each.beside[MEDIAPIPE], each.closed[MEDIAPIPE]
        yield _Figure("requests/s, to MediaPipe's in FastAPI", ours.rate / other.rate, "≥", 2)
        share = ours.processor_ms / other.processor_ms
        what = "processor time a request, to MediaPipe's in FastAPI"
        yield _Figure(what, share, "≤", 0.5, "processor")
    for name, title in ((LITSERVE, "LitServe"), (BENTOML, "BentoML")):
        if name in each.closed:
            # Both overheads are of one turn, beyond the same time in process.
            ours_ms = each.beside[name].processor_ms - each.alone_processor_ms[name]
            share = ours_ms / compute_overhead_ms(each, name)
            yield _Figure(f"overhead, to {title}'s", share, "≤", 0.2, "processor")
    if MOSEC in each.closed:
        # mosec takes the image as the whole body, and so does phiz here.
        ours, other = each.beside[MOSEC], each.closed[MOSEC]
        yield _Figure("requests/s, to mosec's, bodies as they are", ours.rate / other.rate, "≥", 1)
        share = other.processor_ms / ours.processor_ms
        what = "requests for processor time, to mosec's, bodies as they are"
        yield _Figure(what, share, "≥", 1, "processor")


def _describe_parts(each: Round) -> Iterator[_Figure]:
    """Yield the figures of the parts that a round has."""
    if each.one is not None and each.two is not None:
        what = "two workers on two cores, to one on one"
        yield _Figure(what, each.two.rate / each.one.rate, "≥", 1.8)
        # Two cores of requests for their processor time, to one core of them.
        gain = 2 * each.one.processor_ms / each.two.processor_ms
        yield _Figure(f"{what}, by processor time", gain, "≥", 1.9, "processor")
    if each.portrait is not None:
        portrait, what = each.portrait, "portrait: service's processor time"
        share = portrait.service_ms / portrait.workers_ms
        yield _Figure(f"{what}, to {WORKER}", share, "≤", 0.12, "processor")
        yield _Figure(f"portrait: {WORKER}, ms", portrait.workers_ms, "≤", None, "processor")
    if each.excess_ms is not None:
        what = "one client's time beyond the total it is told, ms"
        yield _Figure(what, each.excess_ms, "≤", 0.6)
    if each.steady is not None:
        ratio = each.steady.p99_ms / each.steady.p50_ms
        yield _Figure("p99 to p50 at 70 % of capacity", ratio, "≤", 3)
    if each.overload is not None and each.capacity is not None:
        over, slowest = each.overload, each.overload.most_ms / (1000 * DEADLINE_S)
        yield _Figure(f"{OVERLOAD}: slowest answer to its deadline", slowest, "≤", 1)
        yield _Figure(f"{OVERLOAD}: let in and not answered in time", over.expired, "≤", 0)
        share = over.rate / each.capacity
        yield _Figure(f"{OVERLOAD}: answers/s, to capacity", share, "≥", 0.9)
        what = f"{OVERLOAD}: 99th percentile of refusals, ms"
        yield _Figure(what, over.refusal_p99_ms, "≤", 20)
    if each.overload_share is not None:
        what = f"{OVERLOAD}: answers for processor time, to capacity's"
        yield _Figure(what, each.overload_share, "≥", 0.9, "processor")
