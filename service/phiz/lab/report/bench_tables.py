"""The figures of ``phiz bench`` as tables, and as a document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from phiz.lab.accuracy.gates import AccuracyChange
    from phiz.lab.timing.bench import ModelMeasurement, NetworkMeasurement
    from phiz.runtime.profile import ProfileEntry
    from phiz.runtime.variants import Variant

FiguresByModel = Mapping[str, "Mapping[Variant, ModelMeasurement]"]


def build_network_table(
    networks: "Sequence[NetworkMeasurement]",
    models: FiguresByModel,
    choices: "Mapping[str, ProfileEntry]",
) -> "Table":
    """Return one row for each network and variant: times by threads, parity, gate, choice."""
    counts = sorted({threads for network in networks for _, threads in network.median_ms})
    table = _create_table("network", "variant", *(f"{count} thr. ms" for count in counts), "parity")
    table.add_column("gate")
    for network in networks:
        chosen = choices[network.spec.name].variant
        for variant, excess in network.excess.items():
            times = (f"{network.median_ms[variant, count]:.2f}" for count in counts)
            gate = _describe_gate(network, variant, models[network.model])
            table.add_row(
                network.spec.name,
                str(variant),
                *times,
                f"{excess:.2g}",
                f"{gate}, chosen" if variant == chosen else gate,
            )
        table.add_section()
    return table


def build_model_table(models: FiguresByModel) -> "Table":
    """Return one row for each model and variant: time and what becomes of its answers."""
    table = _create_table(
        "model", "variant", "ms a picture", "faces", "kept %", "AP easy", "medium"
    )
    table.add_column("hard", justify="right")
    for model, figures in models.items():
        for variant, each in figures.items():
            change = each.change
            losses = [f"{0 - round(loss, 4):+.4f}" for loss in change.precision_loss.values()] or [
                "-"
            ] * 3
            table.add_row(
                model, str(variant), f"{each.median_ms:.1f}", *_format_kept(change), *losses
            )
        table.add_section()
    return table


def build_report(
    processor: str, networks: "Sequence[NetworkMeasurement]", models: FiguresByModel
) -> dict[str, Any]:
    """Return all figures as a document of plain values."""
    return {
        "processor": processor,
        "networks": {
            network.spec.name: [
                {**asdict(variant), "threads": threads, "median_ms": time_ms}
                for (variant, threads), time_ms in network.median_ms.items()
            ]
            for network in networks
        },
        "parity": {
            network.spec.name: [
                {**asdict(variant), "excess": excess} for variant, excess in network.excess.items()
            ]
            for network in networks
        },
        "models": {
            model: [
                {**asdict(variant), "median_ms": each.median_ms, **_build_change(each.change)}
                for variant, each in figures.items()
            ]
            for model, figures in models.items()
        },
    }


def _create_table(first: str, second: str, *numbers: str) -> "Table":
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415  slow to load, and seldom needed
    from rich.table import Table  # noqa: PLC0415

    table = Table(first, second, box=SIMPLE_HEAD)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table


def _describe_gate(
    network: "NetworkMeasurement", variant: "Variant", models: "Mapping[Variant, ModelMeasurement]"
) -> str:
    from phiz.lab.timing.bench import can_replace_reference  # noqa: PLC0415  it brings the detectors

    if can_replace_reference(network, variant, models):
        return "passes"
    is_judged = variant.precision == "float32" or models[variant].change.is_gated
    return "fails" if is_judged else "not gated"


def _format_kept(change: "AccuracyChange") -> tuple[str, str]:
    share = f"{100 * change.kept / change.faces:.2f}" if change.faces else "-"
    return str(change.faces), share


def _build_change(change: "AccuracyChange") -> dict[str, Any]:
    document = asdict(change)
    document["precision_loss"] = {
        level: loss if isfinite(loss) else None for level, loss in change.precision_loss.items()
    }  # JSON has no NaN
    return {**document, "passes": change.passes}
