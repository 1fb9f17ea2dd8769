"""A study from its first task to its last: checkpoint, progress and remaining tasks."""

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
    iterate_thread_counts,
    list_combinations,
    plan_tasks,
)
from phiz.lab.study.quality import VariantQuality, judge_model, time_model
from phiz.lab.study.record import Measurement, NetworkInfo
from phiz.lab.study.subprocess import call_in_subprocess
from phiz.lab.study.summary import build_measurement
from phiz.lab.study.timing import RunTimes, measure_memory, time_network
from phiz.runtime.isa import get_isa_limit
from phiz.system.cgroups import count_processors


@dataclass(frozen=True, slots=True)
class StudyRun:
    """The subject of a study.

    Attributes:
        networks: The networks to measure.
        data: Folder of labelled photographs, or None.
        preset: The amount of measuring.
        emulated: How the device differs from the machine; None if it is the machine.
    """

    networks: Sequence[BuiltNetwork]
    data: Path | None
    preset: Preset
    emulated: str | None = None

    def list_tasks(self) -> list[StudyTask]:
        """Return all tasks in their order."""
        counts = tuple(iterate_thread_counts(count_processors()))
        combinations = {
            spec.name: list_combinations(
                spec.name, spec.architecture, network.variants, counts, self.preset
            )
            for network in self.networks
            for spec in (network.spec,)
        }
        return list(plan_tasks(combinations, list_complete_models(self.networks), self.preset))

    def build_fingerprint(self, machine: Machine) -> dict[str, Any]:
        """Return the properties that must be the same for a study to be resumed."""
        document = {
            # The speed of memory and the clock are figures, not properties.
            "machine": {**asdict(machine), "copied_gb_s": None, "clock_mhz": None},
            "effort": asdict(self.preset),
            "files": {
                spec.file_name: spec.sha256
                for network in self.networks
                for spec in network.specs.values()
            },
            "data": self.data and str(self.data.absolute()),
            "emulated": self.emulated,
            "limit": get_isa_limit(os.environ),
        }
        # As it is after it was written and read.
        read: dict[str, Any] = json.loads(json.dumps(document))
        return read

    def measure_task(self, task: StudyTask) -> TaskResult:
        """Return the answer of a task, measured in a process of its own.

        Raises:
            ModelError: A file is missing, or is not the one that the catalogue names.
            OptionError: The photographs cannot be read.
            WorkerDiedError: The process ended early.
        """
        if task.kind == "quality":
            return call_in_subprocess(judge_model, self.data, self._find_networks(task.target))
        if task.kind == "pace":
            return call_in_subprocess(time_model, self.data, self._find_networks(task.target))
        (network,) = (each for each in self.networks if each.spec.name == task.target)
        if task.kind == "memory":
            return call_in_subprocess(measure_memory, network, task.combinations[0])
        return call_in_subprocess(time_network, network, task.combinations, self.preset)

    def _find_networks(self, model: str) -> list[BuiltNetwork]:
        return [network for network in self.networks if network.model.name == model]


def run_tasks(
    tasks: Sequence[StudyTask],
    checkpoint: Checkpoint,
    measure: Callable[[StudyTask], TaskResult],
) -> Iterator[tuple[StudyTask, float]]:
    """Run the tasks that are not in a checkpoint, and yield each task before it runs.

    An estimate of the seconds that this and all later tasks will take is yielded with it.

    Args:
        tasks: All tasks.
        checkpoint: The finished tasks; the others are added.
        measure: Returns the answer of a task.

    Raises:
        WorkerDiedError: The process that measured a task ended early.
    """
    seconds = checkpoint.seconds
    taken_s = {task: seconds[str(task)] for task in tasks if str(task) in seconds}
    left = [task for task in tasks if task not in taken_s]
    while left:
        task = left[0]
        yield task, estimate_seconds_left(left, taken_s)
        started, before_s = time.perf_counter(), read_stolen_s()
        try:
            answer = measure(task)
        except WorkerDiedError as error:
            raise WorkerDiedError(f"{task}: {error}") from error
        taken_s[task], after_s = time.perf_counter() - started, read_stolen_s()
        stolen = None if before_s is None or after_s is None else after_s - before_s
        checkpoint.add(task, answer, taken_s[task], stolen)
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
    """Return the properties of networks by name; their sizes need the package onnx."""
    sizes = _measure_sizes(networks)
    return {
        network.spec.name: NetworkInfo(
            model=network.model.name,
            group=network.model.group,
            sha256={precision: spec.sha256 for precision, spec in network.specs.items()},
            file_bytes={precision: spec.size_bytes for precision, spec in network.specs.items()},
            **sizes.get(network.spec.name, {}),
        )
        for network in networks
    }


def _measure_sizes(networks: Sequence[BuiltNetwork]) -> dict[str, dict[str, int]]:
    try:
        from phiz.convert.size import measure_size  # noqa: PLC0415  the image is without onnx
    except ModuleNotFoundError:
        return {}
    sizes = {network.spec.name: measure_size(network.read()) for network in networks}
    return {name: asdict(size) for name, size in sizes.items() if size is not None}
