"""The times of a network's combinations, and the memory of one; own processes measure them."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from phiz.lab.study.networks import BuiltNetwork
from phiz.lab.study.plan import Combination, Preset
from phiz.lab.study.workloads import Inputs, make_timing_inputs
from phiz.runtime import Session
from phiz.system.procfs import read_peak_bytes

T = TypeVar("T")

WARM_UP_RUNS: Final = 3  # runs that do not count
RUNS_PER_TURN: Final = 10  # runs, and one that does not count
MIN_RUNS: Final = 5  # runs of what takes longer than its budget


@dataclass(frozen=True, slots=True)
class RunTimes:
    """The times of one combination in one round.

    Attributes:
        run_us: Microseconds of each run.
        processor_s: Processor time of all runs together, on all threads.
    """

    run_us: tuple[int, ...]
    processor_s: float


def time_network(
    network: BuiltNetwork, combinations: Sequence[Combination], preset: Preset
) -> dict[str, RunTimes]:
    """Return the times by combination, which take turns, so that they meet the same noise.

    A turn is a few runs, and one before them that does not count: it finds the caches as the
    one before has left them, which no service would do to itself.

    Args:
        network: The network.
        combinations: Ways to run it.
        preset: The amount of measuring.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    configurations = dict.fromkeys((each.variant, each.threads) for each in combinations)
    opened = {each: network.open(*each) for each in configurations}
    sessions = {each: opened[each.variant, each.threads] for each in combinations}
    make_inputs = _create_inputs(network)
    runs = {each: _warm_up(sessions[each], make_inputs, each, preset) for each in combinations}
    taken: dict[Combination, list[int]] = {each: [] for each in combinations}
    processor_s = dict.fromkeys(combinations, 0.0)
    for turn, each, count in interleave_runs(runs):
        for run in range(count + 1):
            batches = make_inputs(turn * (RUNS_PER_TURN + 1) + run, each.batch)
            used = time.process_time()
            seconds = _run_batches(sessions[each], batches)
            if run:
                taken[each].append(round(1e6 * seconds))
                processor_s[each] += time.process_time() - used
    return {str(each): RunTimes(tuple(taken[each]), processor_s[each]) for each in combinations}


def measure_memory(network: BuiltNetwork, combination: Combination) -> int:
    """Return the most bytes that this process has had, after some runs of a combination.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    session = network.open(combination.variant, combination.threads)
    _run_batches(session, _create_inputs(network)(0, combination.batch) * WARM_UP_RUNS)
    return read_peak_bytes()


def interleave_runs(runs: Mapping[Combination, int]) -> Iterator[tuple[int, Combination, int]]:
    """Yield the index of the round, the combination whose turn it is, and its number of runs.

    A combination with fewer runs has them in the first rounds.
    """
    left = dict(runs)
    turn = 0
    while left:
        for combination in rotate_order(list(left), turn):
            yield turn, combination, min(RUNS_PER_TURN, left[combination])
            left[combination] -= RUNS_PER_TURN
        left = {each: count for each, count in left.items() if count > 0}
        turn += 1


def rotate_order(items: Sequence[T], turn: int) -> list[T]:
    """Return all, another first in each turn.

    A busy system takes the processor away about once a round, and would otherwise take it from
    the same one again and again; and who comes after the same one each time finds the caches as
    that one leaves them.
    """
    first = turn % len(items)
    return [*items[first:], *items[:first]]


def _create_inputs(network: BuiltNetwork) -> Callable[[int, int], Inputs]:
    """Return a function that makes the inputs of a run and a batch size, each only once.

    Making them anew would empty the caches in between. P-Net alone sees another size in every
    run, as in a service: some runtimes compile it anew for each.
    """
    architecture = network.spec.architecture

    @lru_cache(maxsize=1 if architecture == "pnet" else None)
    def make(run: int, batch: int) -> Inputs:
        return make_timing_inputs(network.model, architecture, run, batch)

    return lambda run, batch: make(run if architecture == "pnet" else 0, batch)


def _warm_up(
    session: Session,
    make_inputs: Callable[[int, int], Inputs],
    combination: Combination,
    preset: Preset,
) -> int:
    """Run a combination, and return how many runs its budget of time has room for."""
    taken_s = [
        _run_batches(session, make_inputs(run, combination.batch)) for run in range(WARM_UP_RUNS)
    ]
    # The least: one that was stopped must not decide how much is measured.
    affordable = max(MIN_RUNS, preset.get_budget_s(combination) / min(taken_s))
    return int(min(preset.runs, affordable))


def _run_batches(session: Session, batches: Inputs) -> float:
    """Run a network on each batch, and return the seconds of all."""
    started = time.perf_counter()
    for batch in batches:
        session.run(batch)
    return time.perf_counter() - started
