import json
import re
import tomllib
from typing import Any

import grafana
import pytest
import yaml
from limits import COLOURS, find_threshold
from panels import (
    COLUMNS,
    DOCUMENTS,
    NUMBERS,
    ROWS,
    RUNBOOKS,
    STAGES,
    AlertLimit,
    PanelSpec,
    build_runbook_address,
)

from .metrics import ALERTS, ROOT, known, used

GRAFANA = ROOT / "deploy" / "grafana"
SHOWN = json.loads((GRAFANA / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in SHOWN["panels"] if panel["type"] != "row"]
GRAPHS = [graph for graphs in ROWS.values() for graph in graphs]
LIMITED = [(graph, graph.limit) for graph in GRAPHS if isinstance(graph.limit, AlertLimit)]
VARIABLES = {variable["name"]: variable for variable in SHOWN["templating"]["list"]}


def test_the_committed_dashboard_is_the_generated_one() -> None:
    written = (GRAFANA / "dashboard.json").read_text("utf-8")
    assert written == grafana.build_dashboard(), (
        "run: python deploy/dashboard/grafana.py > deploy/grafana/dashboard.json"
    )


def test_every_graph_is_a_panel() -> None:
    assert [panel["title"] for panel in PANELS] == [graph.title for graph in GRAPHS]


def test_source_selection_begins_with_the_provisioned_source() -> None:
    sources = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text("utf-8")
    )
    (source,) = sources["datasources"]
    variable = VARIABLES["source"]
    assert (variable["type"], variable["query"]) == ("datasource", source["type"])
    assert variable["current"] == {"selected": True, "text": source["name"], "value": source["uid"]}


@pytest.mark.parametrize("asking", [*PANELS, VARIABLES["model"]], ids=lambda one: one.get("title"))
def test_a_panel_asks_the_selected_source(asking: dict[str, Any]) -> None:
    assert asking["datasource"] == {"type": "prometheus", "uid": "${source}"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_its_place(panel: dict[str, Any]) -> None:
    place = panel["gridPos"]
    assert 0 <= place["x"] <= 24 - place["w"]


def test_no_two_panels_lie_on_each_other() -> None:
    cells = [
        (place["x"] + right, place["y"] + down)
        for place in (panel["gridPos"] for panel in SHOWN["panels"])
        for right in range(place["w"])
        for down in range(place["h"])
    ]
    assert len(cells) == len(set(cells))


def test_the_first_row_has_numbers_over_its_whole_width() -> None:
    titles = ["Requests per second", "99th percentile latency", "Errors", "Busy workers"]
    assert [graph.title for graph in NUMBERS] == [*titles, "Firing alerts"]
    assert [panel["type"] for panel in PANELS[: len(NUMBERS)]] == ["stat"] * len(NUMBERS)
    assert sum(graph.width for graph in NUMBERS) == COLUMNS


def panel_of(title: str) -> dict[str, Any]:
    (panel,) = (panel for panel in PANELS if panel["title"] == title)
    return dict(panel)


def test_stages_are_stacked_in_the_order_of_an_image() -> None:
    panel = panel_of("Mean time per stage")
    assert panel["fieldConfig"]["defaults"]["custom"]["stacking"] == {"mode": "normal"}
    asked = [re.findall(r'stage="(\w+)"', target["expr"]) for target in panel["targets"]]
    assert asked == [[stage, stage] for stage in STAGES]


def test_documented_stages_are_those_of_the_panel_and_parts_of_inference() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text("utf-8")
    (row,) = re.findall(r"^\| `phiz_stage_seconds` .*$", text, re.MULTILINE)
    _, _, meaning = row.partition("time of each stage: ")
    assert tuple(re.findall(r"`(\w+)`", meaning)) == (*STAGES, "pnet", "rnet", "onet", "inference")


def test_heat_map_gets_buckets() -> None:
    panel = panel_of("Latency of requests")
    (target,) = panel["targets"]
    assert (panel["type"], target["format"], panel["options"]["calculate"]) == (
        "heatmap",
        "heatmap",
        False,
    )
    assert target["expr"].startswith("sum by (le) (increase(phiz_request_seconds_bucket{")


@pytest.mark.parametrize(("graph", "limit"), LIMITED)
def test_a_panel_changes_its_colour_where_its_alert_fires(
    graph: PanelSpec, limit: AlertLimit
) -> None:
    rule = ALERTS[limit.alert]
    *_, (value, colour) = (
        (step["value"], step["color"])
        for step in panel_of(graph.title)["fieldConfig"]["defaults"]["thresholds"]["steps"]
    )
    compared = rf"{limit.metric}[^<>]*> ([\d.]+)"
    assert [value] == [float(number) for number in re.findall(compared, rule["expr"])]
    assert colour == COLOURS[rule["labels"]["severity"]]


def test_the_numbers_of_alerts_are_limited() -> None:
    limited = {graph.title: limit.alert for graph, limit in LIMITED if graph in NUMBERS}
    assert limited == {
        "99th percentile latency": "PhizSlow",
        "Errors": "PhizErrors",
        "Busy workers": "PhizSaturated",
    }


def test_a_limit_that_an_alert_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"PhizSlow compares up with set\(\), not with a number"):
        find_threshold(AlertLimit("PhizSlow", "up"))


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.title)
def test_a_panel_leads_to_runbooks(graph: PanelSpec) -> None:
    assert set(graph.runbooks) <= ALERTS.keys()
    links = {link["title"]: link["url"] for link in panel_of(graph.title)["links"]}
    assert links == {
        f"Runbook of {alert}": build_runbook_address(alert) for alert in graph.runbooks
    }


def test_every_alert_has_a_panel() -> None:
    assert {alert for graph in GRAPHS for alert in graph.runbooks} == ALERTS.keys()


def test_links_lead_to_documents_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    addresses = [*DOCUMENTS.values(), *(build_runbook_address(alert) for alert in ALERTS)]
    for address in addresses:
        path, _, anchor = address.partition("#")
        assert path.startswith(f"{project['urls']['Source']}/blob/main/docs/")
        text = (ROOT / "docs" / path.rpartition("/")[2]).read_text("utf-8")
        headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
        assert not anchor or anchor in {line.lower().replace(" ", "-") for line in headings}
    assert DOCUMENTS["Runbooks"].startswith(f"{RUNBOOKS}#")
    assert {link["title"]: link["url"] for link in SHOWN["links"]} == DOCUMENTS


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.title)
def test_a_graph_asks_for_what_there_is(graph: PanelSpec) -> None:
    for query, _ in graph.queries:
        assert used(query.replace("$__rate_interval", "5m")) <= known()
