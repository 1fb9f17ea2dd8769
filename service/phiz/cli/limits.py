"""``phiz models limits``: the default score limits, and what they mean."""

import json
from dataclasses import asdict
from itertools import starmap

import click

from phiz.cli.tables import print_table
from phiz.models import catalog, router_config
from phiz.models.operating_point import RECALL_SETS, OperatingPoint
from phiz.models.specs import AUTO


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def limits(*, as_json: bool) -> None:
    """List the default score limits and their measured precision and recall.

    Precision is the share of detections that are faces. Easy, medium, hard and portraits are
    the share of such faces that are found. Alarms is the share of photographs without a face
    that have a detection.
    """
    points = _collect_points()
    if as_json:
        rows = [
            {"name": name, "min_score": limit, "operating_point": asdict(point)}
            for name, (limit, point) in points.items()
        ]
        click.echo(json.dumps(rows, indent=2))
    else:
        _print_table(points)


def _collect_points() -> dict[str, tuple[float, OperatingPoint]]:
    """Return limit and operating point of each that a detection may ask for."""
    points = {
        spec.name: (spec.min_score, spec.operating_point)
        for spec in catalog.load_catalog().models
        if spec.operating_point
    }
    config = router_config.load_router_config()
    return {**points, AUTO: (config.min_score, config.operating_point)}


def _print_table(points: dict[str, tuple[float, OperatingPoint]]) -> None:
    columns = ("model", "limit", "precision", *RECALL_SETS, "alarms")
    print_table(columns, starmap(_list_cells, points.items()), {"model"})
    for place in dict.fromkeys(point.measured_on for _, point in points.values()):
        click.echo(f"measured on {place}")


def _list_cells(name: str, measured: tuple[float, OperatingPoint]) -> tuple[str, ...]:
    limit, point = measured
    figures = (point.precision, *point.recall.values(), point.alarms)
    return (name, f"{limit:g}", *(f"{100 * figure:.1f} %" for figure in figures))
