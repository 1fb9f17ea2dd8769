import json
import xml.etree.ElementTree as ET
from dataclasses import replace

from benchmarks.kit.machine import Machine
from benchmarks.load import chart
from benchmarks.load.closed import Closed
from benchmarks.load.contenders import MEDIAPIPE, PHIZ, Contender, ours
from benchmarks.load.cores import Cores
from benchmarks.load.goals import goals
from benchmarks.load.report import Report, Row, heading, plain, rows
from benchmarks.load.rounds import Round

MACHINE = Machine("a processor", (), cores=2, pinned_to=None, system="Linux", python="3.11")
OTHER = Contender(MEDIAPIPE, "another <detector>", (), same=False)
ROUND = Round(
    alone_ms={PHIZ: 2.0, MEDIAPIPE: 2.0},
    closed={PHIZ: Closed(400, 20, 30), MEDIAPIPE: Closed(160, 50, 60)},
    batching={"phiz": {1: Closed(300, 3, 4)}},
)
ROUNDS = [
    ROUND,
    replace(ROUND, closed={**ROUND.closed, PHIZ: Closed(250, 30, 90)}),
    replace(ROUND, closed={**ROUND.closed, PHIZ: Closed(500, 16, 20)}),
]
REPORT = Report(
    machine=MACHINE,
    cores=Cores(frozenset({0}), frozenset({1})),
    versions={},
    seconds=4,
    disturbed=0.02,
    contenders=[ours(), OTHER],
    rounds=ROUNDS,
    goals=[*goals(ROUNDS)],
)


def test_a_server_has_the_medians_of_the_rounds() -> None:
    phiz, other = rows(REPORT)
    assert phiz == Row("phiz", 400, 20, 30, 0.5)
    assert other == Row("another <detector>", 160, 50, 60, None)


def test_the_document_is_json_with_every_round() -> None:
    document = json.loads(json.dumps(plain(REPORT)))
    assert [each["closed"][PHIZ]["rate"] for each in document["rounds"]] == [400, 250, 500]
    assert document["cores"] == {"server": [0], "load": [1]}
    assert [goal["reached"] for goal in document["goals"]] == [True, True]


def test_the_heading_tells_where_and_how() -> None:
    assert heading(REPORT) == (
        "a processor, servers on core 0, load on core 1, medians of 3 rounds of 4 s,"
        " disturbed for 2 % of the time"
    )


def test_the_picture_has_a_bar_for_each_server_in_proportion() -> None:
    drawn = ET.fromstring(chart.draw([*rows(REPORT)], REPORT.goals, "title", "footer"))  # noqa: S314  our own
    _, *bars = drawn.findall("{*}rect")
    widths = [float(bar.attrib["width"]) for bar in bars]
    assert len(widths) == 2
    assert abs(widths[1] / widths[0] - 160 / 400) < 0.001
    assert "another <detector>" in [text.text for text in drawn.findall("{*}text")]
    assert len(drawn.findall("{*}circle")) == len(REPORT.goals)
