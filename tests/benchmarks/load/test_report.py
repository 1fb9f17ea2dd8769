import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from benchmarks.kit.charts import draw_bars, goals_to_bars
from benchmarks.kit.cores import Cores
from benchmarks.load.closed import ClosedLoopResult
from benchmarks.load.contenders import MEDIAPIPE, PHIZ, Contender, make_phiz
from benchmarks.load.goals import build_goals
from benchmarks.load.report import (
    LoadReport,
    ServerRow,
    build_rows,
    format_heading,
    rows_to_bars,
    to_document,
    write_tables,
)
from benchmarks.load.rounds import Round
from phiz.lab.study.machine import Machine

MACHINE = Machine("a processor", (), 2, None, 1 << 30, None, 10.0, {})
OTHER = Contender(MEDIAPIPE, "another <detector>", (), has_same_detector=False)
OURS = ClosedLoopResult(400, 20, 30, 0.25, 2.0, 1e6, 8e6)
PEER = ClosedLoopResult(160, 50, 60, 6.0, 0.0, 2e7, None)
ROUND = Round(
    alone_ms={PHIZ: 2.0, MEDIAPIPE: 2.0},
    alone_processor_ms={PHIZ: 1.75, MEDIAPIPE: 1.75},
    closed={PHIZ: OURS, MEDIAPIPE: PEER},
    beside={MEDIAPIPE: OURS},
    batching={"phiz": {1: OURS}},
)
ROUNDS = [
    ROUND,
    replace(ROUND, closed={**ROUND.closed, PHIZ: replace(OURS, rate=250, p50_ms=30, p99_ms=90)}),
    replace(ROUND, closed={**ROUND.closed, PHIZ: replace(OURS, rate=500, p50_ms=16, p99_ms=20)}),
]
REPORT = LoadReport(
    machine=MACHINE,
    cores=Cores(frozenset({0}), frozenset({1})),
    versions={},
    seconds=4,
    disturbed=0.02,
    contenders=[make_phiz(), OTHER],
    rounds=ROUNDS,
    goals=[*build_goals(ROUNDS)],
)


def test_a_server_has_the_medians_of_the_rounds() -> None:
    phiz, other = build_rows(REPORT)
    assert phiz == ServerRow("phiz", 400, 20, 30, 0.25, 2.0, 1e6, 8e6, 0.5)
    assert other == ServerRow("another <detector>", 160, 50, 60, 6.0, 0.0, 2e7, None, None)


def test_the_document_is_json_with_every_round() -> None:
    document = json.loads(json.dumps(to_document(REPORT)))
    assert [each["closed"][PHIZ]["rate"] for each in document["rounds"]] == [400, 250, 500]
    assert document["cores"] == {"server": [0], "load": [1]}
    reached = [False, True, None, True, True]  # the third has no limit
    assert [goal["reached"] for goal in document["goals"]] == reached


def test_page_has_the_servers_and_the_goals(tmp_path: Path) -> None:
    page = tmp_path / "load.md"
    places = "<!-- servers -->\n\nold\n\n<!-- /servers -->\n<!-- goals -->\n\n\n<!-- /goals -->\n"
    page.write_text(places)
    write_tables(page, REPORT)
    lines = page.read_text().splitlines()
    assert "old" not in lines
    servers = [line for line in lines if line.startswith("| phiz ")]
    assert servers[0].startswith("| phiz | 400 | 20.00 | 30.00 | 0.25 | 2.00 | 0.50 |")
    assert [line for line in lines if "service's processor time a request, ms" in line] == [
        "| service's processor time a request, ms | 0.25 | ≤ 0.25 | processor | 0.25 to 0.25 |  |"
    ]


def test_the_heading_tells_where_and_how() -> None:
    assert format_heading(REPORT) == (
        "a processor, servers on core 0, load on core 1, medians of 3 rounds of 4 s,"
        " disturbed for 2 % of the time"
    )


def test_the_picture_has_a_bar_for_each_server_in_proportion() -> None:
    bars = [*rows_to_bars(build_rows(REPORT)), *goals_to_bars(REPORT.goals)]
    svg = draw_bars("title", "subtitle", bars, "footer")
    drawn = ET.fromstring(svg)  # noqa: S314  our own
    _, *drawn_bars = drawn.findall("{*}rect")
    widths = [float(bar.attrib["width"]) for bar in drawn_bars]
    assert len(widths) == 2
    assert abs(widths[1] / widths[0] - 160 / 400) < 0.001
    assert "another <detector>" in [text.text for text in drawn.findall("{*}text")]
    limited = [goal for goal in REPORT.goals if goal.limit is not None]
    assert len(drawn.findall("{*}circle")) == len(limited)
