from xml.etree import ElementTree as ET

import numpy as np
import pytest

from phiz.lab.report.evaluation_charts import (
    MARGIN_PX,
    PANEL_PX,
    TOP_PX,
    build_curve_panel,
    build_histogram_panel,
    draw_panels,
    round_up_axis,
)

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("value", "end"),
    [(0, 1), (1, 1), (1.01, 1.25), (0.16, 0.25), (7.6, 10), (10.1, 12.5), (26, 50), (99, 100)],
)
def test_axes_end_at_round_numbers(value: float, end: float) -> None:
    assert round_up_axis(value) == pytest.approx(end)


def test_a_curve_goes_where_its_figures_say() -> None:
    panel = build_curve_panel("easy", {"a <model>": (np.array([1.0, 0.5]), np.array([0.25, 1.0]))})
    root = ET.fromstring(draw_panels("wider & others", [panel, panel]))  # noqa: S314  our own
    lines = [line.get("points") for line in root.iter(f"{SVG}polyline")]
    first = f"{MARGIN_PX + PANEL_PX / 4:.1f},{TOP_PX:.1f}"
    last = f"{MARGIN_PX + PANEL_PX:.1f},{TOP_PX + PANEL_PX / 2:.1f}"
    assert lines[0] == f"{first} {last}"
    assert len(lines) == 2
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts.count("a <model>") == 1  # one legend for both
    assert "wider & others" in texts


def test_a_histogram_adds_up_to_all() -> None:
    values = np.concatenate([np.linspace(0, 8, 199), [1000.0]])
    panel = build_histogram_panel("landmarks", "%", {"a": values})
    assert panel.axis_ends[0] == 10
    x, y = panel.lines["a"]
    assert x[0] == 0
    assert x[-1] == 10
    assert y[1:-1:2].sum() == pytest.approx(1)
    assert y[-2] == pytest.approx(1 / 200)  # what lies far out is in the last bin


def test_a_histogram_of_nothing_is_drawn() -> None:
    panel = build_histogram_panel("landmarks", "%", {"a": np.zeros(0)})
    assert "polyline" in draw_panels("empty", [panel])
