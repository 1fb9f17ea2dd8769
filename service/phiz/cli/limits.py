"""``phiz models limits``: the default score limits, and what they mean."""

import json
from dataclasses import asdict
from typing import Any

import click

from phiz.models import catalog, router_config
from phiz.models.operating_point import FOUND, OperatingPoint

AUTO = "auto"


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def limits(*, as_json: bool) -> None:
    """List the models' default limits for a face, and what was measured at them.

    Precision: share of the detections that are faces. Easy, medium, hard, portraits: share of such
    faces that are found. Alarms: share of photographs without a face that have a detection.
    """
    points = _points()
    if as_json:
        rows = [
            {"name": name, "min_score": limit, "operating_point": asdict(point)}
            for name, (limit, point) in points.items()
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(points)


def _points() -> dict[str, tuple[float, OperatingPoint]]:
    """Return limit and operating point of each that a detection may ask for."""
    points = {
        card.name: (card.min_score, card.operating_point)
        for card in catalog.load().models
        if card.operating_point
    }
    card = router_config.load()
    return {**points, AUTO: (card.min_score, card.operating_point)}


def _print_table(points: dict[str, tuple[float, OperatingPoint]]) -> None:
    from rich.console import Console  # noqa: PLC0415  slow to load, and seldom needed
    from rich.table import Table  # noqa: PLC0415

    table = Table("model", box=None, pad_edge=False)
    for heading in ("limit", "precision", *FOUND, "alarms"):
        table.add_column(heading, justify="right")
    for name, (limit, point) in points.items():
        figures: list[Any] = [point.precision, *point.recall.values(), point.alarms]
        table.add_row(name, f"{limit:g}", *(f"{100 * figure:.1f} %" for figure in figures))
    console = Console()
    console.print(table)
    for place in dict.fromkeys(point.measured_on for _, point in points.values()):
        console.print(f"measured on {place}", soft_wrap=True)
