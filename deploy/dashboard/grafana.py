"""Print the dashboard: ``python deploy/dashboard/grafana.py > deploy/grafana/dashboard.json``."""

import sys
from typing import Final

from grafana_foundation_sdk.builders.common import (
    GraphThresholdsStyleConfig,
    StackingConfig,
    VizLegendOptions,
    VizTooltipOptions,
)
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    FieldColor,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.builders.heatmap import HeatmapColorOptions, YAxisConfig
from grafana_foundation_sdk.builders.heatmap import Panel as Heatmap
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Number
from grafana_foundation_sdk.builders.timeseries import Panel as Lines
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    FieldColorModeId,
    VariableOption,
    VariableRefresh,
)
from grafana_foundation_sdk.models.dashboard import Threshold as Step
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from limits import find_threshold
from panels import DOCUMENTS, MODELS_QUERY, NUMBERS, ROWS, PanelSpec, build_runbook_address

# The selection above the panels; provisioning/datasources/prometheus.yml has the one at first.
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${source}")
PROVISIONED: Final = VariableOption(selected=True, text="Prometheus", value="prometheus")
HEIGHT: Final = 8
NUMBER_HEIGHT: Final = 4


def build_panel(graph: PanelSpec) -> Lines | Number | Heatmap:
    """Return the panel of a graph."""
    built = _build_form(graph)
    built = (
        built.title(graph.title)
        .description(graph.description)
        .unit(graph.unit)
        .datasource(SOURCE)
        .height(NUMBER_HEIGHT if graph in NUMBERS else HEIGHT)
        .span(graph.width)
        .links(
            [
                _build_link(f"Runbook of {alert}", build_runbook_address(alert))
                for alert in graph.runbooks
            ]
        )
    )
    for index, (query, legend) in enumerate(graph.queries):
        target = Dataquery().expr(query).legend_format(legend).ref_id(chr(ord("A") + index))
        if graph.kind == "heatmap":
            target = target.format(PromQueryFormat.HEATMAP)
        built = built.with_target(target.instant() if graph.kind == "number" else target.range())
    return built


def _build_form(graph: PanelSpec) -> Lines | Number | Heatmap:
    if graph.kind == "heatmap":
        return _build_heatmap(graph)
    if graph.kind == "number":
        return _build_number(graph)
    legend = VizLegendOptions().show_legend(True).display_mode(LegendDisplayMode.LIST)
    lines = Lines().min(0).legend(legend.placement(LegendPlacement.BOTTOM))
    lines = lines.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    if graph.kind == "areas":
        return lines.stacking(StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(60)
    if graph.limit is None:
        return lines
    style = GraphThresholdsStyleConfig().mode(GraphTresholdsStyleMode.DASHED)
    return lines.thresholds_style(style).thresholds(_build_steps(graph))


def _build_number(graph: PanelSpec) -> Number:
    colour = FieldColor().mode(FieldColorModeId.THRESHOLDS)
    number = Number().min(0).no_value(graph.empty)
    return number.thresholds(_build_steps(graph)).color_scheme(colour)


def _build_heatmap(graph: PanelSpec) -> Heatmap:
    colours = HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").steps(64)
    return (
        Heatmap()
        .color(colours.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5))
        .y_axis(YAxisConfig().unit(graph.unit))
        .show_tooltip()
        .cell_gap(1)
    )


def _build_steps(graph: PanelSpec) -> ThresholdsConfig:
    steps = [Step(None, "green")]
    if graph.limit:
        threshold = find_threshold(graph.limit)
        steps.append(Step(threshold.value, threshold.colour))
    return ThresholdsConfig().steps(steps)


def _build_link(title: str, address: str) -> DashboardLink:
    return DashboardLink(title).type(DashboardLinkType.LINK).url(address).target_blank(True)


def build_source_variable() -> DatasourceVariable:
    """Return the selection of data sources above the panels."""
    return DatasourceVariable("source").label("Data source").type("prometheus").current(PROVISIONED)


def build_model_variable() -> QueryVariable:
    """Return the selection of models above the panels."""
    return (
        QueryVariable("model")
        .label("Model")
        .datasource(SOURCE)
        .query(f"label_values({MODELS_QUERY}, model)")
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
        .with_variable(build_source_variable())
        .with_variable(build_model_variable())
        .links([_build_link(title, address) for title, address in DOCUMENTS.items()])
    )
    for title, graphs in ROWS.items():
        shown = shown.with_row(Row(title))
        for graph in graphs:
            shown = shown.with_panel(build_panel(graph))
    return JSONEncoder(sort_keys=True, indent=2).encode(shown.build()) + "\n"


if __name__ == "__main__":
    sys.stdout.write(build_dashboard())
