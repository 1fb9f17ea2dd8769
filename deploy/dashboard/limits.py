"""The limits of the alerts, read from deploy/prometheus/rules.yml.

No limit is written a second time, so a panel changes its colour where its alert fires.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser as promql
import yaml
from panels import AlertLimit, Threshold

RULES: Final = Path(__file__).parents[1] / "prometheus" / "rules.yml"
COLOURS: Final = {"warning": "orange", "critical": "red"}  # by severity


def find_threshold(limit: AlertLimit | Threshold) -> Threshold:
    """Return the number that an alert compares a metric with, in the colour of its severity.

    A threshold that belongs to no alert is returned as it is.

    Raises:
        ValueError: The alert does not compare the metric with one number.
    """
    if isinstance(limit, Threshold):
        return limit
    (rule,) = (rule for rule in _read_rules() if rule.get("alert") == limit.alert)
    values = {*_find_numbers(promql.parse(rule["expr"]), limit.metric)}
    if len(values) != 1:
        raise ValueError(f"{limit.alert} compares {limit.metric} with {values}, not with a number")
    return Threshold(values.pop(), COLOURS[rule["labels"]["severity"]])


def _read_rules() -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"]:
        yield from group["rules"]


def _find_numbers(node: object, metric: str) -> Iterator[float]:
    """Yield each number that something made of the metric alone must be larger than."""
    if isinstance(node, promql.BinaryExpr) and str(node.op) == ">":
        limit = node.rhs
        if isinstance(limit, promql.NumberLiteral) and _list_metrics(node.lhs) == {metric}:
            yield limit.val
    for part in _list_parts(node):
        yield from _find_numbers(part, metric)


def _list_metrics(node: object) -> set[str]:
    if isinstance(node, promql.VectorSelector):
        return {str(node.name)}
    return {name for part in _list_parts(node) for name in _list_metrics(part)}


def _list_parts(node: object) -> list[object]:
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    return [part for part in (*parts, *(getattr(node, "args", None) or [])) if part is not None]
