"""The names that queries may use, and those that they do."""

import re
from pathlib import Path

import promql_parser as promql
import yaml

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
# What Prometheus and the client library count by themselves.
GIVEN = {
    "ALERTS",
    "up",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
}
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}


def documented() -> set[str]:
    """The series that docs/metrics.md tells of."""
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    rows = re.findall(r"^\| `(phiz_\w+)` \| (\w+) \|", text, re.MULTILINE)
    return {name + suffix for name, kind in rows for suffix in SUFFIXES.get(kind, ("",))}


def known() -> set[str]:
    return documented() | {rule["record"] for rule in RULES if "record" in rule} | GIVEN


def used(query: str) -> set[str]:
    """The series that a query asks for.

    Raises:
        ValueError: It is no query.
    """
    return set(_names(promql.parse(query)))


def _names(node: object) -> list[str]:
    if isinstance(node, promql.VectorSelector):
        assert node.name is not None
        return [node.name]
    parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    arguments = getattr(node, "args", None) or []
    return [found for part in [*parts, *arguments] if part is not None for found in _names(part)]
