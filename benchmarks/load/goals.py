"""The figures that the load benchmark is for, and what each of them should be."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median

from benchmarks.kit.goals import Goal, Sense
from benchmarks.load.contenders import BENTOML, LITSERVE, MEDIAPIPE, MOSEC, PHIZ
from benchmarks.load.rounds import CLIENTS, DEADLINE_S, Round


def build_goals(rounds: Sequence[Round]) -> Iterator[Goal]:
    """Yield the figures of all that was measured."""
    first = rounds[0]
    yield _build_goal(
        rounds, f"requests/s × time in process, {CLIENTS} clients", compute_efficiency, "≥", 0.8
    )
    yield from _build_peer_goals(rounds)
    if first.two is not None:
        yield _build_goal(
            rounds, "two workers on two cores, to one on one", compute_two_core_gain, "≥", 1.8
        )
    if first.excess_ms is not None:
        what = "one client's time beyond the total it is told, ms"
        yield _build_goal(rounds, what, get_excess_ms, "≤", 0.6)
    if first.steady is not None:
        yield _build_goal(rounds, "p99 to p50 at 70 % of capacity", compute_tail_ratio, "≤", 3)
    if first.overload is not None:
        yield from _build_overload_goals(rounds)


def _build_peer_goals(rounds: Sequence[Round]) -> Iterator[Goal]:
    there = rounds[0].closed
    if MEDIAPIPE in there:
        what = "requests/s, to MediaPipe's in FastAPI"
        yield _build_goal(rounds, what, lambda each: compute_gain(each, MEDIAPIPE), "≥", 2)
    if LITSERVE in there:
        what = "overhead, to LitServe's"
        yield _build_goal(
            rounds, what, lambda each: compute_overhead_share(each, LITSERVE), "≤", 0.5
        )
    if BENTOML in there:
        what = "overhead, to BentoML's"
        yield _build_goal(
            rounds, what, lambda each: compute_overhead_share(each, BENTOML), "≤", 0.5
        )
    if MOSEC in there:
        yield _build_goal(
            rounds, "requests/s, to mosec's", lambda each: compute_gain(each, MOSEC), "≥", 0.9
        )


def _build_overload_goals(rounds: Sequence[Round]) -> Iterator[Goal]:
    load = "three times capacity"
    yield _build_goal(
        rounds, f"{load}: slowest answer to its deadline", compute_slowest_share, "≤", 1
    )
    yield _build_goal(rounds, f"{load}: let in and not answered in time", count_expired, "≤", 0)
    yield _build_goal(rounds, f"{load}: answers/s, to capacity", compute_kept_capacity, "≥", 0.9)
    yield _build_goal(rounds, f"{load}: median time of a refusal, ms", get_refusal_ms, "≤", 20)


def _build_goal(
    rounds: Sequence[Round],
    what: str,
    figure: Callable[[Round], float],
    sense: Sense,
    limit: float,
) -> Goal:
    figures = [figure(each) for each in rounds]
    return Goal(what, median(figures), sense, limit, figures)


def compute_gain(each: Round, name: str) -> float:
    """Return how many times as much as a peer phiz answers."""
    return each.closed[PHIZ].rate / each.closed[name].rate


def compute_overhead_share(each: Round, name: str) -> float:
    """Return phiz's overhead as a share of a peer's."""
    return compute_overhead_ms(each, PHIZ) / compute_overhead_ms(each, name)


def compute_overhead_ms(each: Round, name: str) -> float:
    """Return how much longer the core is busy with an answer than in process, ms."""
    return 1000 / each.closed[name].rate - each.alone_ms[name]


def compute_efficiency(each: Round) -> float:
    """Return the share of the core's time that goes into what is asked for, 0 to 1."""
    return each.closed[PHIZ].rate * each.alone_ms[PHIZ] / 1000


def compute_two_core_gain(each: Round) -> float:
    """Return how much more two workers on two cores answer."""
    assert each.two is not None, "measured in every round or in none"
    return each.two.rate / each.closed[PHIZ].rate


def get_excess_ms(each: Round) -> float:
    """Return how much longer a client waits than it is told."""
    assert each.excess_ms is not None, "see above"
    return each.excess_ms


def compute_tail_ratio(each: Round) -> float:
    """Return how far the slowest hundredth lies from the middle, with capacity to spare."""
    assert each.steady is not None, "see above"
    return each.steady.p99_ms / each.steady.p50_ms


def compute_slowest_share(each: Round) -> float:
    """Return the slowest answer, as a share of the deadline."""
    assert each.overload is not None, "see above"
    return each.overload.most_ms / (1000 * DEADLINE_S)


def count_expired(each: Round) -> float:
    """Return how many requests were let in for nothing."""
    assert each.overload is not None, "see above"
    return each.overload.expired


def compute_kept_capacity(each: Round) -> float:
    """Return what is answered under too much load, as a share of what can be."""
    assert each.overload is not None, "see above"
    return each.overload.rate / each.closed[PHIZ].rate


def get_refusal_ms(each: Round) -> float:
    """Return how soon those know who are not let in."""
    assert each.overload is not None, "see above"
    return each.overload.refusal_ms
