"""The times of a network's combinations, and the memory of one: what is run in its own process."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from phiz.lab.study.networks import subject_of
from phiz.lab.study.plan import Combination, Effort
from phiz.lab.timing.bench import open_session, rotated
from phiz.lab.timing.networks import Network
from phiz.lab.timing.workloads import Inputs, timing_inputs
from phiz.runtime import Session
from phiz.runtime.variants import Variant
from phiz.system.procfs import peak_bytes

WARM_UP: Final = 3  # runs that do not count
TURN: Final = 10  # runs, and one that does not count
FEWEST: Final = 5  # runs of what takes longer than its budget


@dataclass(frozen=True, slots=True)
class Turns:
    """What the runs of one combination took in one visit.

    Attributes:
        run_us: Of each run, microseconds.
        processor_s: Of all runs together, on all threads.
    """

    run_us: tuple[int, ...]
    processor_s: float


def time_network(
    folder: Path, combinations: Sequence[Combination], effort: Effort
) -> dict[str, Turns]:
    """Return the times by combination, which take turns, so that they meet the same noise.

    A turn is a few runs, and one before them that does not count: it finds the caches as the
    one before has left them, which no service would do to itself.

    Args:
        folder: Of the built models.
        combinations: Of one network.
        effort: How much is measured.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    network = subject_of(combinations[0].network, folder).read(folder)
    sessions = _open_all(network, combinations)
    inputs = _Stock(network)
    runs = {each: _warm(sessions[_way(each)], inputs, each, effort) for each in combinations}
    taken: dict[Combination, list[int]] = {each: [] for each in combinations}
    processor_s = dict.fromkeys(combinations, 0.0)
    for turn, each, count in turns(runs):
        session = sessions[_way(each)]
        for run in range(count + 1):
            batches = inputs.of(turn * (TURN + 1) + run, each.batch)
            used, started = time.process_time(), time.perf_counter()
            for batch in batches:
                session.run(batch)
            if run:
                taken[each].append(round(1e6 * (time.perf_counter() - started)))
                processor_s[each] += time.process_time() - used
    return {str(each): Turns(tuple(taken[each]), processor_s[each]) for each in combinations}


def measure_memory(folder: Path, combination: Combination) -> int:
    """Return the most bytes that this process has had, after some runs of a combination.

    Raises:
        ModelError: A file is missing, or is not the one that the catalogue names.
    """
    # Nothing but its own file, which may be a quarter of another form's.
    subject = subject_of(combination.network, folder)
    network = subject.read(folder, combination.variant.form)
    session = open_session(network, _way(combination))
    for batch in _Stock(network).of(0, combination.batch) * WARM_UP:
        session.run(batch)
    return peak_bytes()


def turns(runs: dict[Combination, int]) -> Iterator[tuple[int, Combination, int]]:
    """Yield the number of the round, whose turn it is, and how many runs it has.

    Who has fewer runs has them in the first rounds.
    """
    left = dict(runs)
    turn = 0
    while left:
        for way in rotated(list(left), turn):
            yield turn, way, min(TURN, left[way])
            left[way] -= TURN
        left = {way: count for way, count in left.items() if count > 0}
        turn += 1


class _Stock:
    """Inputs that are made once, so that making them does not empty the caches in between.

    Only what sees pictures of any size sees one of another size in every run, as in a service:
    some runtimes compile it anew for each.
    """

    def __init__(self, network: Network) -> None:
        self._model, self._architecture = network.model, network.card.architecture
        self._made: dict[tuple[int, int], Inputs] = {}

    def of(self, run: int, batch: int) -> Inputs:
        """Return the inputs of a run."""
        key = (run if self._architecture == "pnet" else 0), batch
        if key not in self._made:
            self._made = {kept: made for kept, made in self._made.items() if kept[0] == key[0]}
            self._made[key] = timing_inputs(self._model, self._architecture, *key)
        return self._made[key]


def _way(combination: Combination) -> tuple[Variant, int]:
    return combination.variant, combination.threads


def _open_all(
    network: Network, combinations: Sequence[Combination]
) -> dict[tuple[Variant, int], Session]:
    ways = dict.fromkeys(_way(each) for each in combinations)
    return {way: open_session(network, way) for way in ways}


def _warm(session: Session, inputs: _Stock, combination: Combination, effort: Effort) -> int:
    """Run a combination, and return how many runs its budget of time has room for."""
    taken_s = []
    for run in range(WARM_UP):
        batches = inputs.of(run, combination.batch)
        started = time.perf_counter()
        for batch in batches:
            session.run(batch)
        taken_s.append(time.perf_counter() - started)
    # The least: one that was stopped must not decide how much is measured.
    return min(effort.runs, max(FEWEST, int(effort.budget_s(combination) / min(taken_s))))
