"""Curves and histograms as SVG: a panel for each measure, a line for each model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log10
from typing import Final

import numpy as np

from phiz.lab.accuracy.precision import FloatArray
from phiz.lab.report.svg import draw_line, draw_part, draw_text, wrap_svg

PANEL_PX: Final = 300  # side of the square that is drawn into
MARGIN_PX: Final = 52
TOP_PX: Final = 74
TICK_COUNT: Final = 5
TICK_STEPS: Final = (1, 2, 2.5, 5, 10, 20)  # 20 where rounding has left 10 too small
LEGEND_LINE_PX: Final = 18  # of the legend
BINS: Final = 25
LINE_COLOURS: Final = (
    "#e76f51", "#2a9d8f", "#264653", "#9b5de5", "#d4a017", "#3a86ff", "#8d6e63", "#6c757d",
)  # fmt: skip
TEXT_COLOUR: Final = "#22303c"
GRID_COLOUR: Final = "#d5dade"


@dataclass(frozen=True, slots=True)
class Panel:
    """One system of axes.

    Attributes:
        title: Above it.
        axes: Below it and beside it.
        axis_ends: The ends of both axes, which begin at 0.
        lines: By name, x (N,) and y (N,).
    """

    title: str
    axes: tuple[str, str]
    axis_ends: tuple[float, float]
    lines: Mapping[str, tuple[FloatArray, FloatArray]]


def build_curve_panel(title: str, curves: Mapping[str, tuple[FloatArray, FloatArray]]) -> Panel:
    """Return a panel of curves, by name precision (N,) and recall (N,)."""
    lines = {name: (recall, precision) for name, (precision, recall) in curves.items()}
    return Panel(title, ("recall", "precision"), (1.0, 1.0), lines)


def build_histogram_panel(title: str, axis: str, values: Mapping[str, FloatArray]) -> Panel:
    """Return a panel of histograms, by name values (N,), as shares of each line's values.

    The axis ends where 99 of 100 of all values are below it; what is above is in the last bin.
    """
    everything = np.concatenate([np.zeros(1), *values.values()])
    end = round_up_axis(float(np.quantile(everything, 0.99)))
    edges = np.linspace(0, end, BINS + 1)  # (B + 1,)
    lines = {}
    highest = 0.0
    for name, each in values.items():
        counts, _ = np.histogram(np.minimum(each, end), edges)  # (B,)
        shares = counts / max(1, len(each))
        lines[name] = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(shares, 2), [0.0]])
        highest = max(highest, float(shares.max()))
    return Panel(title, (axis, "share of faces"), (end, round_up_axis(highest)), lines)


def round_up_axis(value: float) -> float:
    """Return the end of an axis whose ticks are round numbers and that holds a value; 1 for 0."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value / TICK_COUNT))
    step = next(step for step in TICK_STEPS if TICK_COUNT * power * step >= value)
    return TICK_COUNT * power * step


def draw_panels(title: str, panels: Sequence[Panel]) -> str:
    """Return an SVG of panels side by side, with one legend for all."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    colours = {name: LINE_COLOURS[place % len(LINE_COLOURS)] for place, name in enumerate(names)}
    width = (PANEL_PX + MARGIN_PX) * len(panels) + MARGIN_PX
    height = TOP_PX + PANEL_PX + MARGIN_PX + LEGEND_LINE_PX * len(names)
    lines = [
        draw_part("rect", width=width, height=height, fill="white"),
        draw_text(16, 28, title, TEXT_COLOUR, font_size="17"),
    ]
    for place, panel in enumerate(panels):
        lines += _draw_panel(panel, MARGIN_PX + place * (PANEL_PX + MARGIN_PX), colours)
    for place, (name, colour) in enumerate(colours.items()):
        y = TOP_PX + PANEL_PX + MARGIN_PX + LEGEND_LINE_PX * place
        lines.append(draw_part("rect", x=MARGIN_PX, y=y - 4, width=22, height=4, fill=colour))
        lines.append(draw_text(MARGIN_PX + 30, y, name, TEXT_COLOUR))
    return wrap_svg(title, (width, height), lines, width=str(width), height=str(height))


def _draw_panel(panel: Panel, left: int, colours: Mapping[str, str]) -> Iterator[str]:
    bottom, right = TOP_PX + PANEL_PX, left + PANEL_PX
    yield draw_text(left, TOP_PX - 12, panel.title, TEXT_COLOUR, font_size="14")
    for tick in range(TICK_COUNT + 1):
        share = tick / TICK_COUNT
        x, y = left + PANEL_PX * share, bottom - PANEL_PX * share
        cross = f"M{x:.1f} {TOP_PX}v{PANEL_PX}M{left} {y:.1f}h{PANEL_PX}"
        yield draw_part("path", d=cross, stroke=GRID_COLOUR)
        across, up = (share * end for end in panel.axis_ends)
        yield draw_text(x, bottom + 16, f"{across:.3g}", TEXT_COLOUR, text_anchor="middle")
        yield draw_text(left - 6, y + 4, f"{up:.2g}", TEXT_COLOUR, text_anchor="end")
    middle = left + PANEL_PX / 2
    yield draw_text(middle, bottom + 34, panel.axes[0], TEXT_COLOUR, text_anchor="middle")
    yield draw_text(right, TOP_PX - 12, panel.axes[1], TEXT_COLOUR, text_anchor="end")
    for name, (x_values, y_values) in panel.lines.items():
        x_px = left + PANEL_PX * np.clip(x_values / panel.axis_ends[0], 0, 1)
        y_px = TOP_PX + PANEL_PX * (1 - np.clip(y_values / panel.axis_ends[1], 0, 1))
        points = zip(x_px.tolist(), y_px.tolist(), strict=True)
        yield draw_line(points, stroke=colours[name], stroke_width="1.8", stroke_linejoin="round")
