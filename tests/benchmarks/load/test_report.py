import json
import xml.etree.ElementTree as ET
from dataclasses import replace

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
)
from benchmarks.load.rounds import Round
from phiz.lab.study.machine import Machine

MACHINE = Machine("a processor", (), 2, None, 1 << 30, None, 10.0, {})
OTHER = Contender(MEDIAPIPE, "another <detector>", (), has_same_detector=False)
ROUND = Round(
    alone_ms={PHIZ: 2.0, MEDIAPIPE: 2.0},
    closed={PHIZ: ClosedLoopResult(400, 20, 30), MEDIAPIPE: ClosedLoopResult(160, 50, 60)},
    batching={"phiz": {1: ClosedLoopResult(300, 3, 4)}},
)
ROUNDS = [
    ROUND,
    replace(ROUND, closed={**ROUND.closed, PHIZ: ClosedLoopResult(250, 30, 90)}),
    replace(ROUND, closed={**ROUND.closed, PHIZ: ClosedLoopResult(500, 16, 20)}),
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
    assert phiz == ServerRow("phiz", 400, 20, 30, 0.5)
    assert other == ServerRow("another <detector>", 160, 50, 60, None)


def test_the_document_is_json_with_every_round() -> None:
    document = json.loads(json.dumps(to_document(REPORT)))
    assert [each["closed"][PHIZ]["rate"] for each in document["rounds"]] == [400, 250, 500]
    assert document["cores"] == {"server": [0], "load": [1]}
    assert [goal["reached"] for goal in document["goals"]] == [True, True]


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
    assert len(drawn.findall("{*}circle")) == len(REPORT.goals)
