import json
import re

import console
import pytest
from panels import ROWS, AlertLimit, PanelSpec

from .metrics import PROMETHEUS, ROOT

PAGE = (PROMETHEUS / "consoles" / "index.html").read_text("utf-8")
GRAPHS = [graph for row in ROWS.values() for graph in row]
CHARTS = json.loads(re.findall(r'id="charts">(.*?)</script>', PAGE, re.DOTALL)[0])


def test_the_committed_page_is_the_generated_one() -> None:
    assert console.build_page() == PAGE, (
        "run: python deploy/dashboard/console.py > deploy/prometheus/consoles/index.html"
    )


def test_page_has_the_panels_of_the_dashboard() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text("utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert re.findall(r"<h3>(.*?)</h3>", PAGE) == [panel["title"] for panel in panels]
    charted = [panel for panel in panels if panel["type"] != "stat"]
    assert [[query for query, _ in chart["queries"]] for chart in CHARTS["charts"]] == [
        [target["expr"] for target in panel["targets"]] for panel in charted
    ]


def test_page_has_the_limits_of_the_dashboard() -> None:
    dashboard = json.loads((ROOT / "deploy" / "grafana" / "dashboard.json").read_text("utf-8"))
    steps = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]
        for panel in dashboard["panels"]
        if panel["type"] in {"stat", "timeseries"}
        and len(panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())) > 1
    }
    charts = [graph.title for graph in GRAPHS if graph.kind != "number"]
    limits = {
        title: {"value": chart["limit"]["value"], "color": chart["limit"]["colour"]}
        for title, chart in zip(charts, CHARTS["charts"], strict=True)
        if chart["limit"]
    }
    numbers = {
        title: {"value": float(value), "color": colour}
        for title, value, colour in re.findall(
            r'data-part="([^"]+)">(?:(?!</div>).)*?if gt \(value \.\) ([\d.]+) \}\}(\w+)',
            PAGE,
            re.DOTALL,
        )
    }
    assert limits | numbers == steps
    assert len(numbers) == len(
        [graph for graph in GRAPHS if graph.kind == "number" and graph.limit]
    )


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.title)
def test_a_number_has_one_query_and_a_chart_a_kind_that_the_script_draws(
    graph: PanelSpec,
) -> None:
    if graph.kind == "number":
        assert len(graph.queries) == 1
    else:
        assert graph.kind in {"lines", "areas", "heatmap"}
    if isinstance(graph.limit, AlertLimit):
        assert graph.runbooks[0] == graph.limit.alert


def test_script_has_nothing_that_a_template_would_read() -> None:
    _, _, script = PAGE.partition('id="charts">')
    assert "{{" not in script


def test_page_loads_nothing_from_elsewhere() -> None:
    assert re.findall(r'(?:src=|<link[^>]* href=)"([^"]*)"', PAGE) == ["data:,"]
    assert "@import" not in PAGE
    assert "url(" not in PAGE
