"""The figures of the speed benchmark as tables, and as a document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.kit.goals import Goal
from benchmarks.kit.machine import Machine
from benchmarks.speed.contests import Clock, ContestResult, ContestResults, compute_median

COMMAND = "make bench DATA=DIR"
STAGES = ("decode", "preprocess", "inference", "pnet", "rnet", "onet", "postprocess", "total")
DECIMALS = 4
VERDICTS = {True: "reached", False: "MISSED", None: ""}


@dataclass(frozen=True, slots=True)
class SpeedReport:
    """All that was measured.

    Attributes:
        machine: Where.
        versions: Of packages, by worker.
        variants: By network, the runtime and precision behind ``auto``.
        rounds: That count.
        clock: That times were read from.
        results: By contest and by who took part.
        goals: What is made of them.
    """

    machine: Machine
    versions: Mapping[str, Mapping[str, str]]
    variants: Mapping[str, str]
    rounds: int
    clock: Clock
    results: ContestResults
    goals: Sequence[Goal]


def format_heading(report: SpeedReport) -> str:
    """Return in one line where it was measured."""
    pinned = "one core" if report.machine.pinned_to is not None else "one thread, on any core"
    return (
        f"{report.machine.processor}, {pinned}, medians of {report.rounds} rounds by the"
        f" {report.clock} clock, disturbed for"
        f" {100 * compute_disturbance(report.results):.0f} % of the time"
    )


def compute_disturbance(results: ContestResults) -> float:
    """Return which share of the time on the wall other processes had the core, 0 to 1."""
    sums = [score.sums for each in results.values() for score in each.values()]
    return max(
        0.0, 1 - sum(each["processor"] for each in sums) / sum(each["wall"] for each in sums)
    )


def build_goal_table(goals: Sequence[Goal]) -> Table:
    """Return one row for each figure."""
    table = Table("what", "against", box=SIMPLE_HEAD)
    for name in ("ms", "against ms", "figure", "aim"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    for goal in goals:
        sign = "≥" if goal.measure == "IoU" else "≤"
        table.add_row(
            goal.what,
            goal.against,
            _format_number(goal.ours_ms),
            _format_number(goal.other_ms),
            {"ratio": f"{goal.figure:.3f} ×", "ms more": f"{goal.figure:+.2f} ms"}.get(
                goal.measure, f"{goal.figure:.4f}"
            ),
            "" if goal.limit is None else f"{sign} {goal.limit:g}",
            VERDICTS[goal.is_reached],
        )
    return table


def build_stage_table(results: ContestResults) -> Table:
    """Return one row for each way of ours to faces: median ms of each stage."""
    table = Table("pictures", "way", box=SIMPLE_HEAD, title="stages, ms")
    for stage in STAGES:
        table.add_column(stage, justify="right")
    for contest, each in results.items():
        for who, score in each.items():
            if score.stages:
                table.add_row(
                    contest, who, *(_format_number(_compute_stages(score).get(s)) for s in STAGES)
                )
    return table


def to_document(report: SpeedReport) -> dict[str, Any]:
    """Return all figures as JSON takes them."""
    return {
        "command": COMMAND,
        "machine": asdict(report.machine),
        "versions": report.versions,
        "auto": report.variants,
        "rounds": report.rounds,
        "clock": report.clock,
        "disturbed": round(compute_disturbance(report.results), DECIMALS),
        "goals": [
            {**_round_figures(asdict(goal)), "reached": goal.is_reached} for goal in report.goals
        ],
        "times": {
            contest: {who: _to_times(score) for who, score in each.items()}
            for contest, each in report.results.items()
        },
    }


def _to_times(score: ContestResult) -> dict[str, Any]:
    entry = {
        "median_ms": score.median_ms,
        "items_ms": np.median(score.times, axis=0).round(DECIMALS).tolist(),
        "stages_ms": _round_figures(_compute_stages(score)),
        "faces": [len(boxes) for boxes in score.boxes],
    }
    return {name: value for name, value in _round_figures(entry).items() if value}


def _compute_stages(score: ContestResult) -> dict[str, float]:
    return {name: compute_median(times) for name, times in score.stages.items()}


def _round_figures(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, DECIMALS) if isinstance(value, float) else value
        for name, value in entry.items()
    }


def _format_number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
