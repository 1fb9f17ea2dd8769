"""The times of a network's combinations, and the memory of one: what is run in its own process."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phiz.lab.study.networks import get_network
from phiz.lab.study.plan import Combination, Preset
from phiz.lab.timing.bench import open_session, rotate_order
from phiz.lab.timing.networks import LoadedNetwork
from phiz.lab.timing.workloads import Inputs, make_timing_inputs
from phiz.runtime import Session
from phiz.runtime.variants import Variant
from phiz.system.procfs import read_peak_bytes

WARM_UP_RUNS: Final = 3  # runs that do not count
RUNS_PER_TURN: Final = 10  # runs, and one that does not count
MIN_RUNS: Final = 5  # runs of what takes longer than its budget


@dataclass(frozen=True, slots=True)
class RunTimes:
    """What the runs of one combination took in one round.

    Attributes:
        run_us: Of each run, microseconds.
        processor_s: Of all runs together, on all threads.
    """

    run_us: tuple[int, ...]
    processor_s: float


def time_network(
    folder: Path, combinations: Sequence[Combination], preset: Preset
) -> dict[str, RunTimes]:
    """Return the times by combination, which take turns, so that they meet the same noise.

    A turn is a few runs, and one before them that does not count: it finds the caches as the
    one before has left them, which no service would do to itself.

    Args:
        folder: Of the built models.
        combinations: Of one network.
        preset: How much is measured.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    network = get_network(combinations[0].network, folder).read(folder)
    sessions = _open_sessions(network, combinations)
    inputs = _InputCache(network)
    runs = {
        each: _warm_up(sessions[_get_configuration(each)], inputs, each, preset)
        for each in combinations
    }
    taken: dict[Combination, list[int]] = {each: [] for each in combinations}
    processor_s = dict.fromkeys(combinations, 0.0)
    for turn, each, count in interleave_runs(runs):
        session = sessions[_get_configuration(each)]
        for run in range(count + 1):
            batches = inputs.get(turn * (RUNS_PER_TURN + 1) + run, each.batch)
            used, started = time.process_time(), time.perf_counter()
            for batch in batches:
                session.run(batch)
            if run:
                taken[each].append(round(1e6 * (time.perf_counter() - started)))
                processor_s[each] += time.process_time() - used
    return {str(each): RunTimes(tuple(taken[each]), processor_s[each]) for each in combinations}


def measure_memory(folder: Path, combination: Combination) -> int:
    """Return the most bytes that this process has had, after some runs of a combination.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    # Nothing but its own file, which may be a quarter of another precision's.
    built = get_network(combination.network, folder)
    network = built.read(folder, combination.variant.network_precision)
    session = open_session(network, _get_configuration(combination))
    for batch in _InputCache(network).get(0, combination.batch) * WARM_UP_RUNS:
        session.run(batch)
    return read_peak_bytes()


def interleave_runs(runs: dict[Combination, int]) -> Iterator[tuple[int, Combination, int]]:
    """Yield the number of the round, whose turn it is, and how many runs it has.

    Who has fewer runs has them in the first rounds.
    """
    left = dict(runs)
    turn = 0
    while left:
        for combination in rotate_order(list(left), turn):
            yield turn, combination, min(RUNS_PER_TURN, left[combination])
            left[combination] -= RUNS_PER_TURN
        left = {each: count for each, count in left.items() if count > 0}
        turn += 1


class _InputCache:
    """Inputs that are made once, so that making them does not empty the caches in between.

    Only what sees pictures of any size sees one of another size in every run, as in a service:
    some runtimes compile it anew for each.
    """

    def __init__(self, network: LoadedNetwork) -> None:
        self._model, self._architecture = network.model, network.spec.architecture
        self._made: dict[tuple[int, int], Inputs] = {}

    def get(self, run: int, batch: int) -> Inputs:
        """Return the inputs of a run."""
        key = (run if self._architecture == "pnet" else 0), batch
        if key not in self._made:
            self._made = {kept: made for kept, made in self._made.items() if kept[0] == key[0]}
            self._made[key] = make_timing_inputs(self._model, self._architecture, *key)
        return self._made[key]


def _get_configuration(combination: Combination) -> tuple[Variant, int]:
    return combination.variant, combination.threads


def _open_sessions(
    network: LoadedNetwork, combinations: Sequence[Combination]
) -> dict[tuple[Variant, int], Session]:
    configurations = dict.fromkeys(_get_configuration(each) for each in combinations)
    return {configuration: open_session(network, configuration) for configuration in configurations}


def _warm_up(
    session: Session, inputs: _InputCache, combination: Combination, preset: Preset
) -> int:
    """Run a combination, and return how many runs its budget of time has room for."""
    taken_s = []
    for run in range(WARM_UP_RUNS):
        batches = inputs.get(run, combination.batch)
        started = time.perf_counter()
        for batch in batches:
            session.run(batch)
        taken_s.append(time.perf_counter() - started)
    # The least: one that was stopped must not decide how much is measured.
    return min(preset.runs, max(MIN_RUNS, int(preset.get_budget_s(combination) / min(taken_s))))
