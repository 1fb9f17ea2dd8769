"""The figures of ``phiz bench`` as tables, and as a document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from math import isfinite
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from phiz.lab.accuracy.gates import AccuracyChange
from phiz.lab.accuracy.labels import LEVELS
from phiz.lab.study.quality import VariantQuality
from phiz.lab.study.record import Measurement
from phiz.lab.study.selection import can_replace_reference
from phiz.runtime.profile import ProfileEntry
from phiz.runtime.variants import REFERENCE_VARIANT, Variant


def build_network_table(
    figures: Sequence[Measurement],
    qualities: Sequence[VariantQuality],
    choices: Mapping[str, ProfileEntry],
) -> Table:
    """Return one row for each network and variant: times by threads, parity, gate, choice."""
    times = _group_times(figures)
    counts = sorted({threads for by_threads in times.values() for threads in by_threads})
    changes = _compare_variants(qualities)
    table = _create_table("network", "variant", *(f"{count} thr. ms" for count in counts), "parity")
    table.add_column("gate")
    for network, choice in choices.items():
        for quality in (each for each in qualities if network in each.excess):
            variant = quality.variant
            gate = _describe_gate(network, quality, changes[quality.model, variant])
            table.add_row(
                network,
                str(variant),
                *(f"{times[network, variant][count]:.2f}" for count in counts),
                f"{quality.excess[network]:.2g}",
                f"{gate}, chosen" if variant == choice.variant else gate,
            )
        table.add_section()
    return table


def build_model_table(qualities: Sequence[VariantQuality]) -> Table:
    """Return one row for each model and variant: time, and the change of its faces."""
    changes = _compare_variants(qualities)
    table = _create_table(
        "model", "variant", "ms a picture", "faces", "kept %", *("AP easy", "medium", "hard")
    )
    for model, variants in groupby(qualities, lambda each: each.model):
        for each in variants:
            change = changes[model, each.variant]
            kept = f"{100 * change.kept / change.faces:.2f}" if change.faces else "-"
            losses = [f"{0 - round(loss, 4):+.4f}" for loss in change.precision_loss.values()]
            table.add_row(
                model,
                str(each.variant),
                f"{each.median_ms:.1f}",
                str(change.faces),
                kept,
                *(losses or ["-"] * len(LEVELS)),
            )
        table.add_section()
    return table


def build_report(
    processor: str, figures: Sequence[Measurement], qualities: Sequence[VariantQuality]
) -> dict[str, Any]:
    """Return all figures as a document of plain values."""
    document: dict[str, Any] = {
        "processor": processor,
        "networks": {each.combination.network: [] for each in figures},
        "parity": {each.combination.network: [] for each in figures},
        "models": {each.model: [] for each in qualities},
    }
    for (network, variant), by_threads in _group_times(figures).items():
        document["networks"][network] += [
            {**asdict(variant), "threads": threads, "median_ms": time_ms}
            for threads, time_ms in by_threads.items()
        ]
    changes = _compare_variants(qualities)
    for each in qualities:
        way = asdict(each.variant)
        for network, excess in each.excess.items():
            document["parity"][network].append({**way, "excess": excess})
        change = _build_change(changes[each.model, each.variant])
        document["models"][each.model].append({**way, "median_ms": each.median_ms, **change})
    return document


def _compare_variants(
    qualities: Sequence[VariantQuality],
) -> dict[tuple[str, Variant], AccuracyChange]:
    """Return by model and variant how the faces differ from those of the reference."""
    references = {each.model: each for each in qualities if each.variant == REFERENCE_VARIANT}
    return {
        (each.model, each.variant): each.compare_faces(references[each.model]) for each in qualities
    }


def _group_times(figures: Sequence[Measurement]) -> dict[tuple[str, Variant], dict[int, float]]:
    """Return by network and variant the median ms by number of threads."""
    times: dict[tuple[str, Variant], dict[int, float]] = {}
    for each in figures:
        combination = each.combination
        by_threads = times.setdefault((combination.network, combination.variant), {})
        by_threads[combination.threads] = each.median_ms
    return times


def _create_table(first: str, second: str, *numbers: str) -> Table:
    table = Table(first, second, box=SIMPLE_HEAD)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _describe_gate(network: str, quality: VariantQuality, change: AccuracyChange) -> str:
    if can_replace_reference(network, quality):
        return "passes"
    is_judged = quality.variant.precision == "float32" or change.is_gated
    return "fails" if is_judged else "not gated"


def _build_change(change: AccuracyChange) -> dict[str, Any]:
    document = asdict(change)
    document["precision_loss"] = {
        level: loss if isfinite(loss) else None for level, loss in change.precision_loss.items()
    }  # JSON has no NaN
    return {**document, "passes": change.passes}
