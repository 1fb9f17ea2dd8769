import xml.etree.ElementTree as ET

from benchmarks.kit.charts import (
    GREEN,
    HEIGHT,
    RED,
    Bar,
    Curve,
    draw_bars,
    draw_curves,
    draw_plots,
    goals_to_bars,
)
from benchmarks.kit.goals import Goal


def test_bars_are_on_one_scale_with_their_limits() -> None:
    bars = [Bar("a", "1", GREEN, 1.0, limit=2.0), Bar("b", "0.5", RED, 0.5)]
    drawn = ET.fromstring(draw_bars("title", "below", bars, "footer"))  # noqa: S314  our own
    _, long, short = drawn.findall("{*}rect")
    (line,) = drawn.findall("{*}polyline")
    limit, *_ = line.attrib["points"].split(",")
    length = float(long.attrib["width"])
    assert float(short.attrib["width"]) == length / 2
    assert float(limit) - float(long.attrib["x"]) == 2 * length


def test_goal_is_a_bar_if_it_is_a_ratio_and_else_a_dot() -> None:
    ratio = Goal("a", 9.0, "≤", 0.95, measure="ratio", ours_ms=9.0, other_ms=1.0)
    bars = list(goals_to_bars([ratio, Goal("b", 3.0, "≥", 2), Goal("c", 1.0)]))
    assert [(bar.length, bar.colour) for bar in bars] == [(1.5, RED), (None, GREEN)]
    assert bars[0].figure == "9.000 × (≤ 0.95): 9.00 of 1.00 ms"


def test_curves_rise_with_their_shares_and_run_with_their_times() -> None:
    curve = Curve("a <b>", [(5.0, 0.2), (50.0, 0.8)], 0)
    drawn = ET.fromstring(draw_curves([curve], "ms", "share"))  # noqa: S314  our own
    (first, last) = drawn.findall("{*}circle")
    assert float(first.attrib["cx"]) < float(last.attrib["cx"])
    assert float(first.attrib["cy"]) > float(last.attrib["cy"])
    assert "a <b>" in [text.text for text in drawn.findall("{*}text")]


def test_plots_are_one_below_the_other() -> None:
    curves = [Curve("a", [(5.0, 0.2), (50.0, 0.8)], 0), Curve("one point", [(7.0, 0.5)], 1)]
    drawn = ET.fromstring(draw_plots({"easy": curves, "hard": curves[:1]}, "ms"))  # noqa: S314  our own
    first, second = drawn.findall("{*}g")
    assert [each.attrib["transform"] for each in (first, second)] == [
        "translate(0 0)",
        f"translate(0 {HEIGHT})",
    ]
    assert drawn.attrib["height"] == str(2 * HEIGHT)
    assert (len(first.findall("{*}circle")), len(second.findall("{*}circle"))) == (3, 2)
    assert "hard" in [text.text for text in second.findall("{*}text")]
