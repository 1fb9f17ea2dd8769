"""A study from its first lot to its last: what is there, what is done, what is left."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from phiz.errors import WorkerDiedError
from phiz.lab.study.checkpoint import Answer, Journal
from phiz.lab.study.machine import Machine, stolen_s
from phiz.lab.study.networks import Subject, whole_models
from phiz.lab.study.plan import Combination, Effort, Lot, combinations_of, lots_of, seconds_left
from phiz.lab.study.quality import Quality, judge, pace
from phiz.lab.study.record import Facts, Figures
from phiz.lab.study.subprocess import call_apart
from phiz.lab.study.summary import figures_of
from phiz.lab.study.timing import Turns, measure_memory, time_network
from phiz.lab.timing.bench import thread_counts
from phiz.runtime.isa import instruction_limit
from phiz.system.cgroups import available_processors


@dataclass(frozen=True, slots=True)
class Course:
    """What is to be measured, and with what.

    Attributes:
        subjects: The networks.
        folder: Of the built models.
        data: Of labelled photographs, or None.
        effort: How much is measured.
        emulated: How it differs from the machine that it runs on; None if it is that.
    """

    subjects: Sequence[Subject]
    folder: Path
    data: Path | None
    effort: Effort
    emulated: str | None = None

    def combinations(self) -> dict[str, tuple[Combination, ...]]:
        """Return all combinations by network."""
        counts = tuple(thread_counts(available_processors()))
        return {
            subject.card.name: combinations_of(
                subject.card.name,
                subject.card.architecture,
                subject.variants,
                counts,
                self.effort,
            )
            for subject in self.subjects
        }

    def lots(self) -> list[Lot]:
        """Return everything that is to be measured, in order."""
        return list(lots_of(self.combinations(), whole_models(self.subjects), self.effort))

    def subject_matter(self, machine: Machine) -> dict[str, Any]:
        """Return what has to be the same for a study to be taken up again."""
        # The speed of memory and the clock are figures, not properties.
        described = {**asdict(machine), "copied_gb_s": None, "clock_mhz": None}
        files = {
            card.file: card.sha256 for subject in self.subjects for card in subject.files.values()
        }
        document = {
            "machine": described,
            "effort": asdict(self.effort),
            "files": files,
            "data": self.data and str(self.data.absolute()),
            "emulated": self.emulated,
            "limit": instruction_limit(os.environ),
        }
        return _plain(document)

    def measure(self, lot: Lot) -> Answer:
        """Return the answer of a lot, measured in a process of its own.

        Raises:
            ModelError: A file is missing, or is not the one that the catalogue names.
            OptionError: The photographs cannot be read.
            WorkerDiedError: The process ended early.
        """
        if lot.kind == "times":
            return call_apart(time_network, self.folder, lot.combinations, self.effort)
        if lot.kind == "memory":
            return call_apart(measure_memory, self.folder, lot.combinations[0])
        if lot.kind == "pace":
            return call_apart(pace, self.folder, self.data, lot.subject)
        return call_apart(judge, self.folder, self.data, lot.subject)


def run(
    lots: Sequence[Lot], journal: Journal, effort: Effort, measure: Callable[[Lot], Answer]
) -> Iterator[tuple[Lot, float]]:
    """Measure what is not yet in a journal, and yield each lot before that.

    With it goes an estimate of the seconds that it and all after it will take.

    Args:
        lots: All of them.
        journal: Has those that are finished, and is given the others.
        effort: How much is measured.
        measure: Gives the answer of a lot.

    Raises:
        WorkerDiedError: The process that measured a lot ended early.
    """
    taken = {lot: journal.seconds[str(lot)] for lot in lots if str(lot) in journal.seconds}
    left = [lot for lot in lots if lot not in taken]
    while left:
        lot = left[0]
        yield lot, seconds_left(left, taken, effort)
        started, before_s = time.perf_counter(), stolen_s()
        try:
            answer = measure(lot)
        except WorkerDiedError as error:
            raise WorkerDiedError(
                f"{lot}: {error}; the same command goes on from here, and with --only it leaves"
                " other models out"
            ) from error
        taken[lot], after_s = time.perf_counter() - started, stolen_s()
        stolen = None if before_s is None or after_s is None else after_s - before_s
        journal.add(lot, answer, taken[lot], stolen)
        left.pop(0)


def collect(
    lots: Sequence[Lot], answers: Mapping[str, Answer]
) -> tuple[tuple[Figures, ...], tuple[Quality, ...]]:
    """Return the figures of all combinations and of all models, from the answers of the lots."""
    visits: dict[Combination, list[Turns]] = {}
    paces: dict[tuple[str, str], list[float]] = {}  # ms, by model and variant
    peaks: dict[Combination, int] = {}
    qualities: list[Quality] = []
    by_name = {str(each): each for lot in lots for each in lot.combinations}
    for lot in lots:
        answer = answers[str(lot)]
        if isinstance(answer, list):
            qualities += answer
        elif isinstance(answer, int):
            peaks[lot.combinations[0]] = answer
        else:
            for name, taken in answer.items():
                if isinstance(taken, Turns):
                    visits.setdefault(by_name[name], []).append(taken)
                else:
                    paces.setdefault((lot.subject, name), []).append(1000 * median(taken))
    return (
        tuple(figures_of(each, turns, peaks.get(each)) for each, turns in visits.items()),
        tuple(
            replace(each, visits_ms=tuple(paces[each.model, str(each.variant)]))
            for each in qualities
        ),
    )


def facts_of(subjects: Sequence[Subject]) -> dict[str, Facts]:
    """Return what is known of the networks without running them."""
    return {
        subject.card.name: Facts(
            model=subject.model.name,
            group=subject.model.group,
            sha256={form: card.sha256 for form, card in subject.files.items()},
            file_bytes={form: card.size_bytes for form, card in subject.files.items()},
        )
        for subject in subjects
    }


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as it is after it was written and read."""
    read: dict[str, Any] = json.loads(json.dumps(document))
    return read
