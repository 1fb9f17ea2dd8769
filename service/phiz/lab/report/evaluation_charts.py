"""Curves and histograms as SVG, drawn by hand: a panel for each measure, a line for each model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, log10
from typing import Final

import numpy as np

from phiz.lab.accuracy.precision import FloatArray

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
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
            f' width="{width}" height="{height}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _draw_text(16, 28, title, size=17),
    ]
    for place, panel in enumerate(panels):
        lines += _draw_panel(panel, MARGIN_PX + place * (PANEL_PX + MARGIN_PX), colours)
    for place, (name, colour) in enumerate(colours.items()):
        y = TOP_PX + PANEL_PX + MARGIN_PX + LEGEND_LINE_PX * place
        lines.append(f'<rect x="{MARGIN_PX}" y="{y - 4}" width="22" height="4" fill="{colour}"/>')
        lines.append(_draw_text(MARGIN_PX + 30, y, name))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_panel(panel: Panel, left: int, colours: Mapping[str, str]) -> Iterator[str]:
    yield _draw_text(left, TOP_PX - 12, panel.title, size=14)
    for tick in range(TICK_COUNT + 1):
        share = tick / TICK_COUNT
        x, y = left + PANEL_PX * share, TOP_PX + PANEL_PX * (1 - share)
        yield (
            f'<path d="M{x:.1f} {TOP_PX}v{PANEL_PX}M{left} {y:.1f}h{PANEL_PX}" '
            f'stroke="{GRID_COLOUR}"/>'
        )
        yield _draw_text(
            x, TOP_PX + PANEL_PX + 16, f"{share * panel.axis_ends[0]:.3g}", anchor="middle"
        )
        yield _draw_text(left - 6, y + 4, f"{share * panel.axis_ends[1]:.2g}", anchor="end")
    yield _draw_text(left + PANEL_PX / 2, TOP_PX + PANEL_PX + 34, panel.axes[0], anchor="middle")
    yield _draw_text(left + PANEL_PX, TOP_PX - 12, panel.axes[1], anchor="end")
    for name, (across, up) in panel.lines.items():
        points = _format_points(
            left + PANEL_PX * np.clip(across / panel.axis_ends[0], 0, 1),
            TOP_PX + PANEL_PX * (1 - np.clip(up / panel.axis_ends[1], 0, 1)),
        )
        yield (
            f'<polyline points="{points}" fill="none" stroke="{colours[name]}"'
            ' stroke-width="1.8" stroke-linejoin="round"/>'
        )


def _format_points(x: FloatArray, y: FloatArray) -> str:
    """Return points as SVG has them, without those that are the same to a tenth of a pixel."""
    pairs = (f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return " ".join(dict.fromkeys(pairs))


def _draw_text(x: float, y: float, text: str, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{TEXT_COLOUR}" font-size="{size}"'
        f' text-anchor="{anchor}">{escape(text)}</text>'
    )
