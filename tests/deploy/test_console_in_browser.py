"""The console page in a browser, with a real Prometheus that asks a real service."""

import html
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from panels import NUMBERS, ROWS, STAGES, build_runbook_address

from tests.service.running import SERVE, environment, running, wait_for

from .monitoring import MODELS, PAGE, ask, browse, monitored, send_round

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs("prometheus"),
    pytest.mark.needs("chromium"),
]

CHARTS = [graph for row in ROWS.values() for graph in row if graph.kind != "number"]
# It fires at once.
ALERT = {
    "alert": "PhizRestarts",
    "expr": 'up{job="phiz"} == 1',
    "labels": {"severity": "warning"},
}
P99 = "phiz:request_seconds:p99_5m"
RATE = 'sum(rate(phiz_request_seconds_count{job="phiz"}[20s]))'
STEP_S = 5  # of the page's charts, whose moments are multiples of it


@dataclass(frozen=True)
class Shown:
    """A page as it is after its script ran, and what the browser says about it."""

    page: str
    complaints: list[str]

    def panel(self, title: str) -> str:
        panels = re.findall(r'<section class="panel".*?</section>', self.page, re.DOTALL)
        (panel,) = (one for one in panels if f"<h3>{html.escape(title)}</h3>" in one)
        return str(panel)

    def values(self, title: str) -> list[str]:
        found = re.findall(r'<p class="value [^"]*">(.*?)</p>', self.panel(title))
        return [re.sub(r"<[^>]*>", "", value) for value in found]

    def legend(self, title: str) -> list[str]:
        entries = re.findall(r"<li>(.*?)</li>", self.panel(title))
        return [re.sub(r"<[^>]*>", "", entry) for entry in entries]


@pytest.fixture(scope="module")
def prometheus(models_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    serve = running([*SERVE, "--workers", "1"], environment(models_folder), folder / "log")
    with serve as service, monitored(service, folder, rules=[ALERT]) as url:
        # A rate needs requests before and after a scrape.
        wait_for(lambda: send_round(service) and len(ask(url, f"{P99} > 0")) == len(MODELS))
        wait_for(lambda: send_round(service) and count_moments(url) > 1)
        yield url


def count_moments(url: str) -> int:
    """Return how many moments of a chart have a rate."""
    end = time.time() // STEP_S * STEP_S
    query: dict[str, str | float] = {"query": RATE, "start": end - 900, "end": end, "step": STEP_S}
    series = httpx.get(f"{url}/api/v1/query_range", params=query).json()["data"]["result"]
    return len(series[0]["values"]) if series else 0


def look(url: str, folder: Path, query: str = "") -> Shown:
    ran = browse(f"{url}/{PAGE}{query}", folder, "--dump-dom")
    return Shown(ran.stdout, [line for line in ran.stderr.splitlines() if "CONSOLE" in line])


@pytest.fixture(scope="module")
def shown(prometheus: str, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return look(prometheus, tmp_path_factory.mktemp("browser"), "?seconds=900")


def test_every_chart_is_drawn_and_the_browser_does_not_complain(shown: Shown) -> None:
    assert not shown.complaints
    assert 'data-state="drawn"' in shown.page
    assert shown.page.count("<svg") == len(CHARTS)
    for graph in CHARTS:
        tag = {"lines": '<path class="line"', "areas": "<polygon", "heatmap": '<rect class="cell"'}
        assert tag[graph.kind] in shown.panel(graph.title), graph.title


def test_the_first_row_has_the_numbers_of_prometheus(shown: Shown, prometheus: str) -> None:
    numbers = {graph.title: shown.values(graph.title) for graph in NUMBERS}
    assert all(len(values) == 1 for values in numbers.values())
    assert 0 < float(numbers["Requests per second"][0]) < 100
    assert re.fullmatch(r"[\d.]+m?s", numbers["99th percentile latency"][0])
    assert numbers["Errors"] == ["0%"]
    assert re.fullmatch(r"[\d.]+%", numbers["Busy workers"][0])
    ((_, firing),) = ask(prometheus, 'count(ALERTS{alertstate="firing"})')
    assert numbers["Firing alerts"] == [str(int(firing))]


def test_a_firing_alert_is_named_and_leads_to_its_runbook(shown: Shown) -> None:
    address = build_runbook_address(str(ALERT["alert"]))
    (alerts,) = re.findall(r'<ul class="alerts".*?</ul>', shown.page, re.DOTALL)
    assert f'<li class="warning"><a href="{address}">PhizRestarts</a> 127.0.0.1:' in alerts
    assert 'class="value red"' in shown.panel("Firing alerts")


def test_stages_are_stacked_in_their_order(shown: Shown) -> None:
    assert [entry.split()[0] for entry in shown.legend("Mean time per stage")] == [*STAGES]
    assert shown.panel("Mean time per stage").count("<polygon") == len(STAGES)


def test_rows_of_the_heat_map_are_buckets(shown: Shown) -> None:
    labels = re.findall(
        r'<text x="50"[^>]*>([\d.]+) (m?s)</text>', shown.panel("Latency of requests")
    )
    bounds_s = [float(number) / (1000 if unit == "ms" else 1) for number, unit in labels]
    assert bounds_s == sorted(bounds_s)
    assert len(bounds_s) > 1


def test_replicas_tell_their_models(shown: Shown) -> None:
    models = {value.split()[1] for value in shown.values("Replicas by model")}
    assert models == {*MODELS} - {"auto"}


def test_a_selected_model_is_the_only_one(prometheus: str, tmp_path: Path) -> None:
    shown = look(prometheus, tmp_path, "?model=front&seconds=900")
    assert not shown.complaints
    assert [entry.split()[0] for entry in shown.legend("Requests")] == ["front"]
    assert '<option selected="">front</option>' in shown.page


def test_a_model_of_the_address_is_quoted(prometheus: str) -> None:
    answer = httpx.get(f"{prometheus}/{PAGE}", params={"model": '"} or vector(7) #<b>'})
    assert answer.status_code == 200
    assert Shown(answer.text, []).values("Requests per second") == ["no data"]
    assert "vector(7)" not in answer.text
