"""A study from its first task to its last: what is there, what is done, what is left."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from phiz.errors import WorkerDiedError
from phiz.lab.study.checkpoint import Checkpoint, TaskResult
from phiz.lab.study.machine import Machine, read_stolen_s
from phiz.lab.study.networks import BuiltNetwork, list_complete_models
from phiz.lab.study.plan import (
    Combination,
    Preset,
    StudyTask,
    estimate_seconds_left,
    list_combinations,
    plan_tasks,
)
from phiz.lab.study.quality import VariantQuality, judge_model, time_model
from phiz.lab.study.record import Measurement, NetworkInfo
from phiz.lab.study.subprocess import call_in_subprocess
from phiz.lab.study.summary import build_measurement
from phiz.lab.study.timing import RunTimes, measure_memory, time_network
from phiz.lab.timing.bench import iterate_thread_counts
from phiz.runtime.isa import get_isa_limit
from phiz.system.cgroups import count_processors


@dataclass(frozen=True, slots=True)
class StudyRun:
    """What is to be measured, and with what.

    Attributes:
        networks: The networks.
        folder: Of the built models.
        data: Of labelled photographs, or None.
        preset: How much is measured.
        emulated: How it differs from the machine that it runs on; None if it is that.
    """

    networks: Sequence[BuiltNetwork]
    folder: Path
    data: Path | None
    preset: Preset
    emulated: str | None = None

    def list_combinations(self) -> dict[str, tuple[Combination, ...]]:
        """Return all combinations by network."""
        counts = tuple(iterate_thread_counts(count_processors()))
        return {
            network.spec.name: list_combinations(
                network.spec.name,
                network.spec.architecture,
                network.variants,
                counts,
                self.preset,
            )
            for network in self.networks
        }

    def list_tasks(self) -> list[StudyTask]:
        """Return everything that is to be measured, in order."""
        return list(
            plan_tasks(self.list_combinations(), list_complete_models(self.networks), self.preset)
        )

    def build_fingerprint(self, machine: Machine) -> dict[str, Any]:
        """Return what has to be the same for a study to be taken up again."""
        # The speed of memory and the clock are figures, not properties.
        machine_properties = {**asdict(machine), "copied_gb_s": None, "clock_mhz": None}
        files = {
            spec.file_name: spec.sha256
            for network in self.networks
            for spec in network.specs.values()
        }
        document = {
            "machine": machine_properties,
            "effort": asdict(self.preset),
            "files": files,
            "data": self.data and str(self.data.absolute()),
            "emulated": self.emulated,
            "limit": get_isa_limit(os.environ),
        }
        return _to_json_values(document)

    def measure_task(self, task: StudyTask) -> TaskResult:
        """Return the answer of a task, measured in a process of its own.

        Raises:
            ModelError: A file is missing, or is not the one that the catalogue names.
            OptionError: The photographs cannot be read.
            WorkerDiedError: The process ended early.
        """
        if task.kind == "times":
            return call_in_subprocess(time_network, self.folder, task.combinations, self.preset)
        if task.kind == "memory":
            return call_in_subprocess(measure_memory, self.folder, task.combinations[0])
        if task.kind == "pace":
            return call_in_subprocess(time_model, self.folder, self.data, task.target)
        return call_in_subprocess(judge_model, self.folder, self.data, task.target)


def run_tasks(
    tasks: Sequence[StudyTask],
    checkpoint: Checkpoint,
    preset: Preset,
    measure: Callable[[StudyTask], TaskResult],
) -> Iterator[tuple[StudyTask, float]]:
    """Measure what is not yet in a checkpoint, and yield each task before that.

    With it goes an estimate of the seconds that it and all after it will take.

    Args:
        tasks: All of them.
        checkpoint: Has those that are finished, and is given the others.
        preset: How much is measured.
        measure: Gives the answer of a task.

    Raises:
        WorkerDiedError: The process that measured a task ended early.
    """
    taken = {
        task: checkpoint.seconds[str(task)] for task in tasks if str(task) in checkpoint.seconds
    }
    left = [task for task in tasks if task not in taken]
    while left:
        task = left[0]
        yield task, estimate_seconds_left(left, taken, preset)
        started, before_s = time.perf_counter(), read_stolen_s()
        try:
            answer = measure(task)
        except WorkerDiedError as error:
            raise WorkerDiedError(
                f"{task}: {error}; the same command goes on from here, and with --only it leaves"
                " other models out"
            ) from error
        taken[task], after_s = time.perf_counter() - started, read_stolen_s()
        stolen = None if before_s is None or after_s is None else after_s - before_s
        checkpoint.add(task, answer, taken[task], stolen)
        left.pop(0)


def collect_results(
    tasks: Sequence[StudyTask], results: Mapping[str, TaskResult]
) -> tuple[tuple[Measurement, ...], tuple[VariantQuality, ...]]:
    """Return the figures of all combinations and of all models, from the answers of the tasks."""
    times: dict[Combination, list[RunTimes]] = {}
    model_times_ms: dict[tuple[str, str], list[float]] = {}  # ms, by model and variant
    peaks: dict[Combination, int] = {}
    qualities: list[VariantQuality] = []
    by_name = {str(each): each for task in tasks for each in task.combinations}
    for task in tasks:
        result = results[str(task)]
        if isinstance(result, list):
            qualities += result
        elif isinstance(result, int):
            peaks[task.combinations[0]] = result
        else:
            for name, taken in result.items():
                if isinstance(taken, RunTimes):
                    times.setdefault(by_name[name], []).append(taken)
                else:
                    model_times_ms.setdefault((task.target, name), []).append(1000 * median(taken))
    return (
        tuple(build_measurement(each, rounds, peaks.get(each)) for each, rounds in times.items()),
        tuple(
            replace(each, visits_ms=tuple(model_times_ms[each.model, str(each.variant)]))
            for each in qualities
        ),
    )


def describe_networks(networks: Sequence[BuiltNetwork]) -> dict[str, NetworkInfo]:
    """Return what is known of the networks without running them."""
    return {
        network.spec.name: NetworkInfo(
            model=network.model.name,
            group=network.model.group,
            sha256={precision: spec.sha256 for precision, spec in network.specs.items()},
            file_bytes={precision: spec.size_bytes for precision, spec in network.specs.items()},
        )
        for network in networks
    }


def _to_json_values(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as it is after it was written and read."""
    read: dict[str, Any] = json.loads(json.dumps(document))
    return read
