"""The figures of the speed benchmark as tables, and as a document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks.kit.goals import Clock, Goal
from benchmarks.kit.report import (
    build_table,
    compute_disturbance,
    format_number,
    goals_to_document,
    round_figures,
)
from benchmarks.speed.contests import ContestResult, ContestResults, compute_median
from phiz.lab.study.machine import Machine

COMMAND = "make bench DATA=DIR"
STAGES = ("decode", "preprocess", "inference", "pnet", "rnet", "onet", "postprocess", "total")


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """All figures, and the conditions that they were measured under.

    ``pinned_to`` is None where the system cannot pin processes. ``variants`` has the runtime and
    precision of each network behind ``auto``.
    """

    machine: Machine
    pinned_to: int | None
    versions: Mapping[str, Mapping[str, str]]
    variants: Mapping[str, str]
    rounds: int
    results: Mapping[Clock, ContestResults]
    goals: Sequence[Goal]

    @property
    def disturbed(self) -> float:
        """Share of the time that other processes had the core, 0 to 1."""
        sums = [score.sums for each in self.results["wall"].values() for score in each.values()]
        return compute_disturbance(sums)


def format_heading(report: SpeedReport) -> str:
    """Return in one line the machine and how it was measured."""
    pinned = "one core" if report.pinned_to is not None else "one thread, on any core"
    return (
        f"{report.machine.processor}, {pinned}, medians of {report.rounds} rounds,"
        f" disturbed for {100 * report.disturbed:.0f} % of the time"
    )


def build_stage_table(results: ContestResults) -> Table:
    """Return one row for each way of ours to faces: median ms of each stage."""
    rows = []
    for contest, each in results.items():
        for who, score in each.items():
            if score.stages:
                medians = _compute_stages(score)
                rows.append([contest, who, *(format_number(medians.get(name)) for name in STAGES)])
    return build_table(["pictures", "way"], STAGES, rows, "stages, ms")


def to_document(report: SpeedReport) -> dict[str, Any]:
    """Return all figures as JSON takes them."""
    document: dict[str, Any] = round_figures(
        {
            "command": COMMAND,
            "machine": {**asdict(report.machine), "pinned_to": report.pinned_to},
            "versions": report.versions,
            "auto": report.variants,
            "rounds": report.rounds,
            "clock": "wall",
            "disturbed": report.disturbed,
            "goals": goals_to_document(report.goals),
            "times": {
                contest: {
                    who: _to_times(score, report.results["processor"][contest][who])
                    for who, score in each.items()
                }
                for contest, each in report.results["wall"].items()
            },
        }
    )
    return document


def _to_times(score: ContestResult, by_processor: ContestResult) -> dict[str, Any]:
    entry = {
        "median_ms": score.median_ms,
        "processor_median_ms": by_processor.median_ms,
        "items_ms": np.median(score.times, axis=0).tolist(),
        "stages_ms": _compute_stages(score),
        "faces": [len(boxes) for boxes in score.boxes],
    }
    return {name: value for name, value in entry.items() if value}


def _compute_stages(score: ContestResult) -> dict[str, float]:
    return {name: compute_median(times) for name, times in score.stages.items()}
