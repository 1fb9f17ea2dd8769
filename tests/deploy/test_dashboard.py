import json
from typing import Any

import dashboard
import pytest
import yaml
from panels import ROWS, PanelSpec

from .metrics import ROOT, known, used

GRAFANA = ROOT / "deploy" / "grafana"
SHOWN = json.loads((GRAFANA / "dashboard.json").read_text("utf-8"))
PANELS = [panel for panel in SHOWN["panels"] if panel["type"] != "row"]
GRAPHS = [graph for graphs in ROWS.values() for graph in graphs]


def test_the_committed_dashboard_is_the_generated_one() -> None:
    written = (GRAFANA / "dashboard.json").read_text("utf-8")
    assert written == dashboard.build_dashboard(), (
        "run: python deploy/grafana/dashboard.py > deploy/grafana/dashboard.json"
    )


def test_every_graph_is_a_panel() -> None:
    assert [panel["title"] for panel in PANELS] == [graph.title for graph in GRAPHS]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_has_its_place_and_asks_the_provisioned_source(panel: dict[str, Any]) -> None:
    place = panel["gridPos"]
    assert 0 <= place["x"] <= 24 - place["w"]
    sources = yaml.safe_load(
        (GRAFANA / "provisioning" / "datasources" / "prometheus.yml").read_text("utf-8")
    )
    (source,) = sources["datasources"]
    assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}


def test_no_two_panels_lie_on_each_other() -> None:
    cells = [
        (place["x"] + right, place["y"] + down)
        for place in (panel["gridPos"] for panel in SHOWN["panels"])
        for right in range(place["w"])
        for down in range(place["h"])
    ]
    assert len(cells) == len(set(cells))


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.title)
def test_a_graph_asks_for_what_there_is(graph: PanelSpec) -> None:
    for query, _ in graph.queries:
        assert used(query.replace("$__rate_interval", "5m")) <= known()
