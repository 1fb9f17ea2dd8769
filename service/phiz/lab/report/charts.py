"""Bars and points as SVG, as wide as a phone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from phiz.lab.report.svg import (
    CSS_BACKGROUND,
    CSS_GRID_COLOUR,
    CSS_TEXT_COLOUR,
    draw_line,
    draw_part,
    draw_text,
    wrap_svg,
)

PALETTE: Final = (
    *("#c44e34", "#1f7a70", "#3a6fc4", "#8a5a00", "#7d4bb5", "#4d6b2f", "#a13d6c", "#5b6570"),
)

WIDTH: Final = 360
BAR_LABEL_PX: Final = 142  # of a bar, to its left
BAR_VALUE_PX: Final = 62  # to its right
MAX_SCALE_RATIO: Final = 6  # times as long are the longest bars of two groups at most, on one scale
BAR_PX: Final = 13
BAR_STEP_PX: Final = 17
HEADING_PX: Final = 22
GROUP_GAP_PX: Final = 8

PLOT_PX: Final = 250  # height
LEFT_PX: Final = 44
BOTTOM_PX: Final = 40
MARK_RADIUS_PX: Final = 7
LEGEND_ROW_PX: Final = 16
GRID_LINES: Final = 4  # lines across


@dataclass(frozen=True, slots=True)
class BarGroup:
    """A group of bars under one heading.

    Attributes:
        heading: Above them.
        bars: Name, number of the colour, and length.
    """

    heading: str
    bars: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True, slots=True)
class ScatterPoint:
    """One of a plot.

    Attributes:
        name: In the legend.
        colour: Its number.
        x: More than 0.
        y: 0 to 1.
        is_front: Whether no other is better in both.
    """

    name: str
    colour: int
    x: float
    y: float
    is_front: bool


def get_colour(number: int) -> str:
    """Return a colour by its number, after the last the first again."""
    place = number % len(PALETTE)
    return f"var(--c{place}, {PALETTE[place]})"


def draw_bars(title: str, groups: Sequence[BarGroup], unit: str) -> str:
    """Return an SVG of groups of horizontal bars, the numbers beside them."""
    longest = [_find_longest(group) for group in groups]
    if has_one_scale(groups):
        longest = [max(longest)] * len(longest)
    lines: list[str] = []
    y = 0
    for group, most in zip(groups, longest, strict=True):
        lines.append(draw_text(0, y + 15, group.heading, font_weight="bold"))
        y += HEADING_PX
        for name, number, length in group.bars:
            lines.append(draw_text(BAR_LABEL_PX - 6, y + 10, name, text_anchor="end"))
            wide = max((WIDTH - BAR_LABEL_PX - BAR_VALUE_PX) * length / most, 1)
            size = {"width": f"{wide:.1f}", "height": f"{BAR_PX}", "rx": "2"}
            fill = get_colour(number)
            lines.append(draw_part("rect", x=BAR_LABEL_PX, y=y, **size, fill=fill))
            lines.append(
                draw_text(BAR_LABEL_PX + wide + 4, y + 10, f"{format_short(length)} {unit}")
            )
            y += BAR_STEP_PX
        y += GROUP_GAP_PX
    return wrap_svg(title, (WIDTH, y), lines)


def has_one_scale(groups: Sequence[BarGroup]) -> bool:
    """Return whether all groups are drawn on one scale, because none is far below another."""
    longest = [_find_longest(group) for group in groups]
    return max(longest) <= MAX_SCALE_RATIO * min(longest)


def _find_longest(group: BarGroup) -> float:
    return max(length for _, _, length in group.bars) or 1.0


def draw_scatter(title: str, points: Sequence[ScatterPoint], axes: tuple[str, str]) -> str:
    """Return an SVG of points, time on a logarithmic axis, the front as a line, and a legend."""
    left, right = _find_decades([point.x for point in points])
    low = min(floor(20 * point.y) / 20 for point in points)
    low = min(low, 0.95)

    def place(point: ScatterPoint) -> tuple[float, float]:
        across = (log10(point.x) - left) / (right - left)
        up = (point.y - low) / (1 - low)
        return LEFT_PX + across * (WIDTH - LEFT_PX - 12), 10 + (1 - up) * (PLOT_PX - BOTTOM_PX - 10)

    lines = [*_draw_axes(left, right, low, axes)]
    front = sorted((point for point in points if point.is_front), key=lambda point: point.x)
    lines.append(draw_line(map(place, front), stroke=CSS_TEXT_COLOUR, stroke_dasharray="4 3"))
    for number, point in enumerate(points, 1):
        lines += _draw_mark(*place(point), number, point.colour)
    for number, point in enumerate(points, 1):
        y = PLOT_PX + 10 + LEGEND_ROW_PX * (number - 1)
        lines += _draw_mark(8, y, number, point.colour)
        text = f"{point.name}: {format_short(point.x)} ms, {format_short(100 * point.y)}%"
        weight = "bold" if point.is_front else "normal"
        lines.append(draw_text(20, y + 4, text, font_weight=weight, font_size="11"))
    return wrap_svg(title, (WIDTH, PLOT_PX + 10 + LEGEND_ROW_PX * len(points)), lines)


def _draw_mark(x: float, y: float, number: int, hue: int) -> Iterator[str]:
    yield draw_part("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=MARK_RADIUS_PX, fill=get_colour(hue))
    yield draw_text(x, y + 3.5, str(number), CSS_BACKGROUND, text_anchor="middle", font_size="11")


def format_short(value: float) -> str:
    """Return a number with three digits that count, and no power of ten."""
    if value == 0:
        return "0"
    digits = max(0, 2 - floor(log10(abs(value))))
    return f"{value:.{digits}f}"


def _draw_axes(left: int, right: int, low: float, axes: tuple[str, str]) -> Iterator[str]:
    bottom, end = PLOT_PX - BOTTOM_PX, WIDTH - 12
    for tick in range(GRID_LINES + 1):
        share = tick / GRID_LINES
        y = 10 + (1 - share) * (bottom - 10)
        yield draw_part("path", d=f"M{LEFT_PX} {y:.1f}H{end}", stroke=CSS_GRID_COLOUR)
        yield draw_text(LEFT_PX - 4, y + 4, f"{low + share * (1 - low):.0%}", text_anchor="end")
    for decade in range(left, right + 1):
        for step in (1, 2, 5):
            across = (decade - left + log10(step)) / (right - left)
            if across > 1:
                continue
            x = LEFT_PX + across * (end - LEFT_PX)
            yield draw_part("path", d=f"M{x:.1f} 10V{bottom}", stroke=CSS_GRID_COLOUR)
            yield draw_text(
                x, bottom + 14, f"{step * 10.0**decade:g}", text_anchor="middle", font_size="11"
            )
    yield draw_text((LEFT_PX + end) / 2, PLOT_PX - 10, axes[0], text_anchor="middle")
    yield draw_text(LEFT_PX + 4, 22, axes[1])


def _find_decades(values: Sequence[float]) -> tuple[int, int]:
    left, right = floor(log10(min(values))), ceil(log10(max(values)))
    return left, max(right, left + 1)
