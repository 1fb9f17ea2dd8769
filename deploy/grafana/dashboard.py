"""Print the dashboard: ``python deploy/grafana/dashboard.py > deploy/grafana/dashboard.json``."""

import sys
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Number
from grafana_foundation_sdk.builders.timeseries import Panel as Lines
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    VariableRefresh,
)
from panels import ROWS, PanelSpec

# The name in deploy/grafana/provisioning/datasources/prometheus.yml.
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
HEIGHT: Final = 8
WIDTH: Final = 8  # of 24


def build_panel(graph: PanelSpec) -> Lines | Number:
    """Return the panel of a graph."""
    kind = Number() if graph.as_number else Lines()
    built = (
        kind.title(graph.title)
        .description(graph.description)
        .unit(graph.unit)
        .datasource(SOURCE)
        .height(HEIGHT)
        .span(WIDTH)
        .min(0)
    )
    for index, (query, legend) in enumerate(graph.queries):
        target = Dataquery().expr(query).legend_format(legend).ref_id(chr(ord("A") + index))
        built = built.with_target(target.instant() if graph.as_number else target.range())
    return built


def build_model_variable() -> QueryVariable:
    """Return the selection of models above the panels."""
    return (
        QueryVariable("model")
        .label("Model")
        .datasource(SOURCE)
        .query('label_values(phiz_request_seconds_count{job="phiz"}, model)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def build_dashboard() -> str:
    """Return the dashboard as Grafana's JSON."""
    shown = (
        Dashboard("phiz")
        .uid("phiz")
        .tags(["phiz"])
        .editable()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(build_model_variable())
    )
    for title, graphs in ROWS.items():
        shown = shown.with_row(Row(title))
        for graph in graphs:
            shown = shown.with_panel(build_panel(graph))
    return JSONEncoder(sort_keys=True, indent=2).encode(shown.build()) + "\n"


if __name__ == "__main__":
    sys.stdout.write(build_dashboard())
