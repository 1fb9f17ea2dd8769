from xml.etree import ElementTree as ET

import pytest

from phiz.lab.report.charts import BarGroup, ScatterPoint, draw_bars, draw_scatter, format_short

SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_numbers() -> None:
    groups = [
        BarGroup("a & b", (("one", 0, 4.0), ("two", 1, 2.0))),
        BarGroup("c", (("one", 0, 0.0),)),
    ]
    drawn = ET.fromstring(draw_bars("times <1>", groups, "ms"))  # noqa: S314  our own
    widths = [float(bar.attrib["width"]) for bar in drawn.iter(f"{SVG}rect")]
    assert widths == [156.0, 78.0, 1.0]
    texts = [text.text for text in drawn.iter(f"{SVG}text")]
    assert texts == ["a & b", "one", "4.00 ms", "two", "2.00 ms", "c", "one", "0 ms"]
    title = drawn.find(f"{SVG}title")
    assert title is not None
    assert title.text == "times <1>"


def test_faster_is_left_and_better_is_above() -> None:
    points = [ScatterPoint("a", 0, 1.0, 0.8, True), ScatterPoint("b", 1, 10.0, 0.9, True)]
    points.append(ScatterPoint("c", 1, 100.0, 0.7, False))
    drawn = ET.fromstring(draw_scatter("t", points, ("ms", "right")))  # noqa: S314  our own
    circles = list(drawn.iter(f"{SVG}circle"))
    x, y = ([float(each.attrib[name]) for each in circles[:3]] for name in ("cx", "cy"))
    assert x[1] - x[0] == pytest.approx(x[2] - x[1], abs=0.2)  # each ten times as long
    assert y[1] < y[0] < y[2]
    (front,) = drawn.iter(f"{SVG}polyline")
    assert front.attrib["points"].split() == [f"{x[0]:.1f},{y[0]:.1f}", f"{x[1]:.1f},{y[1]:.1f}"]
    assert len(circles) == 6  # and the legend's


@pytest.mark.parametrize(("other", "width"), [(1.0, 26.0), (0.9, 156.0)])
def test_group_far_below_the_others_has_its_own_scale(other: float, width: float) -> None:
    groups = [BarGroup("a", (("one", 0, 6.0),)), BarGroup("b", (("one", 0, other),))]
    drawn = ET.fromstring(draw_bars("t", groups, "ms"))  # noqa: S314  our own
    widths = [float(bar.attrib["width"]) for bar in drawn.iter(f"{SVG}rect")]
    assert widths == [156.0, width]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (99.94, "99.9"), (1234.5, "1234")],
)
def test_three_digits_count(value: float, text: str) -> None:
    assert format_short(value) == text
