"""Print the page: ``python deploy/dashboard/console.py > deploy/prometheus/consoles/index.html``.

The page is a console template: Prometheus fills in the numbers and serves it with its own data, so
no other program is needed. It has the panels of Grafana's dashboard. Prometheus 3 has no libraries
for such pages, so the charts are drawn by a script in the page, which loads nothing else.
"""

import html
import json
import re
import sys
from pathlib import Path
from typing import Final

import yaml
from limits import find_threshold
from panels import (
    COLUMNS,
    DOCUMENTS,
    FIRING,
    MODELS_QUERY,
    NUMBERS,
    ROWS,
    RUNBOOKS,
    PanelSpec,
    build_runbook_address,
)

HERE: Final = Path(__file__).parent
PROMETHEUS: Final = HERE.parent / "prometheus" / "prometheus.yml"
RATE_INTERVAL: Final = "1m"  # of the numbers; that of the charts follows their time
TIMES: Final = {
    900: "15 minutes",
    3600: "1 hour",
    6 * 3600: "6 hours",
    86_400: "1 day",
    7 * 86_400: "7 days",
}
# Functions of Prometheus's templates.
FORMATS: Final = {
    "percentunit": "humanizePercentage",
    "s": "humanizeDuration",
    "reqps": 'printf "%.3g"',
    "none": 'printf "%.0f"',
}
# The firing alerts, each with a link to its runbook.
ALERTS: Final = f"""\
<ul class="alerts" data-part="alerts">
{{{{- range query `{FIRING}` }}}}
<li class="{{{{ .Labels.severity }}}}"><a href="{RUNBOOKS}#{{{{ .Labels.alertname | toLower }}}}">\
{{{{ .Labels.alertname }}}}</a> {{{{ .Labels.instance }}}} {{{{ .Labels.model }}}}</li>
{{{{- end }}}}
</ul>
"""


def build_page() -> str:
    """Return the console template."""
    graphs = [graph for row in ROWS.values() for graph in row if graph.kind != "number"]
    style = _read_part("console.css").replace("@@COLUMNS@@", str(COLUMNS))
    parts = {
        "STYLE": style.replace("@@HALF@@", str(COLUMNS // 2)),
        "MODELS": f"count by (model) ({MODELS_QUERY})",
        "TIMES": "".join(_build_time(seconds, title) for seconds, title in TIMES.items()),
        "LINKS": _build_links(DOCUMENTS),
        "ROWS": "".join(_build_row(title, row, graphs) for title, row in ROWS.items()),
        "CHARTS": _encode_charts(graphs),
        "SCRIPT": _read_part("console.js"),
    }
    return re.sub(r"@@([A-Z]+)@@", lambda part: parts[part[1]], _read_part("console.html"))


def _read_part(name: str) -> str:
    return (HERE / name).read_text("utf-8")


def _build_time(seconds: int, title: str) -> str:
    chosen = f'{{{{ if eq $seconds "{seconds}" }}}} selected{{{{ end }}}}'
    return f'<option value="{seconds}"{chosen}>{title}</option>\n'


def _build_links(addresses: dict[str, str]) -> str:
    return " ".join(
        f'<a href="{html.escape(address)}">{html.escape(title)}</a>'
        for title, address in addresses.items()
    )


def _build_row(title: str, row: tuple[PanelSpec, ...], graphs: list[PanelSpec]) -> str:
    panels = "".join(
        _build_number(graph) if graph.kind == "number" else _build_chart(graph, graphs.index(graph))
        for graph in row
    )
    kind, after = ("row now", ALERTS) if row is NUMBERS else ("row", "")
    return f'<h2>{title}</h2>\n<div class="{kind}">\n{panels}</div>\n{after}'


def _build_chart(graph: PanelSpec, index: int) -> str:
    inside = '<div class="chart"></div>\n<ul class="legend"></ul>\n'
    return _build_panel(graph, inside, f'data-chart="{index}"')


def _build_number(graph: PanelSpec) -> str:
    """Return a panel whose values Prometheus fills in."""
    ((query, legend),) = graph.queries
    labels = re.sub(r"\{\{(\w+)\}\}", r"{{ .Labels.\1 }}", legend)
    value = f"{{{{ value . | {FORMATS[graph.unit]} }}}}"
    value += f" <small>{labels}</small>" if labels else ""
    inside = (
        f"{{{{- range {_build_query(query)} }}}}\n"
        f'<p class="value {_build_colour(graph)}">{value}</p>\n'
        f'{{{{- else }}}}\n<p class="value empty">{graph.empty}</p>\n{{{{- end }}}}\n'
    )
    kind = "" if graph in NUMBERS else ' class="values"'
    part = f"<div{kind} data-part={json.dumps(graph.title)}>\n{inside}</div>\n"
    return _build_panel(graph, part)


def _build_panel(graph: PanelSpec, inside: str, attributes: str = "") -> str:
    links = _build_links({each: build_runbook_address(each) for each in graph.runbooks})
    runbooks = f'<p class="links">Runbook: {links}</p>\n' if links else ""
    return (
        f'<section class="panel" style="--width: {graph.width}" {attributes}>\n'
        f"<h3>{html.escape(graph.title)}</h3>\n"
        f"{inside}"
        f'<p class="about">{html.escape(graph.description)}</p>\n'
        f"{runbooks}</section>\n"
    )


def _build_query(query: str) -> str:
    """Return the part of a template that asks for the newest values of a query."""
    filled = query.replace("$__rate_interval", RATE_INTERVAL)
    if "$model" not in filled:
        return f"query `{filled}`"
    # The model comes from the page's address, so it is quoted.
    quoted = filled.replace("%", "%%").replace('"$model"', "%[1]q")
    return f"query (printf `{quoted}` $model)"


def _build_colour(graph: PanelSpec) -> str:
    if graph.limit is None:
        return "green"
    threshold = find_threshold(graph.limit)
    is_above = f"{{{{ if gt (value .) {threshold.value} }}}}"
    return f"{is_above}{threshold.colour}{{{{ else }}}}green{{{{ end }}}}"


def _encode_charts(graphs: list[PanelSpec]) -> str:
    """Return what the script needs to know. A legend has single braces, which no template reads."""
    interval = yaml.safe_load(PROMETHEUS.read_text("utf-8"))["global"]["scrape_interval"]
    charts = [
        {
            "kind": graph.kind,
            "unit": graph.unit,
            "queries": [
                (query, legend.replace("{{", "{").replace("}}", "}"))
                for query, legend in graph.queries
            ],
            "limit": _describe_limit(graph),
        }
        for graph in graphs
    ]
    document = {"scrape_s": int(interval.removesuffix("s")), "charts": charts}
    return json.dumps(document, indent=1).replace("<", "\\u003c")


def _describe_limit(graph: PanelSpec) -> dict[str, float | str] | None:
    if graph.limit is None:
        return None
    threshold = find_threshold(graph.limit)
    return {"value": threshold.value, "colour": threshold.colour}


if __name__ == "__main__":
    sys.stdout.write(build_page())
