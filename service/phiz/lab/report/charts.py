"""Bars and points as SVG, drawn by hand, as wide as a phone.

Colours are those of the page that a drawing is in, or else their light ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10
from typing import Final

COLOURS: Final = (
    *("#c44e34", "#1f7a70", "#3a6fc4", "#8a5a00", "#7d4bb5", "#4d6b2f", "#a13d6c", "#5b6570"),
)
INK: Final = "var(--ink, #1c242b)"
GROUND: Final = "var(--ground, #fff)"
FAINT: Final = "var(--faint, #d5dade)"

WIDTH: Final = 360
NAMES: Final = 142  # of a bar, to its left
VALUES: Final = 62  # to its right
APART: Final = 6  # times as long are the longest bars of two groups at most, on one scale
BAR: Final = 13
STEP: Final = 17
HEAD: Final = 22
GAP: Final = 8

PLOT: Final = 250  # height
LEFT: Final = 44
BOTTOM: Final = 40
RADIUS: Final = 7
ROW: Final = 16
SHARES: Final = 4  # lines across


@dataclass(frozen=True, slots=True)
class Bars:
    """A group of bars under one heading.

    Attributes:
        heading: Above them.
        bars: Name, number of the colour, and length.
    """

    heading: str
    bars: tuple[tuple[str, int, float], ...]


@dataclass(frozen=True, slots=True)
class Point:
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


def colour(number: int) -> str:
    """Return a colour by its number, after the last the first again."""
    place = number % len(COLOURS)
    return f"var(--c{place}, {COLOURS[place]})"


def draw_bars(title: str, groups: Sequence[Bars], unit: str) -> str:
    """Return an SVG of groups of horizontal bars, the numbers beside them."""
    longest = [_longest(group) for group in groups]
    if is_one_scale(groups):
        longest = [max(longest)] * len(longest)
    lines: list[str] = []
    y = 0
    for group, most in zip(groups, longest, strict=True):
        lines.append(_text(0, y + 15, group.heading, font_weight="bold"))
        y += HEAD
        for name, number, length in group.bars:
            lines.append(_text(NAMES - 6, y + 10, name, text_anchor="end"))
            wide = max((WIDTH - NAMES - VALUES) * length / most, 1)
            lines.append(
                f'<rect x="{NAMES}" y="{y}" width="{wide:.1f}" height="{BAR}" rx="2"'
                f' fill="{colour(number)}"/>'
            )
            lines.append(_text(NAMES + wide + 4, y + 10, f"{short(length)} {unit}"))
            y += STEP
        y += GAP
    return _svg(title, y, lines)


def is_one_scale(groups: Sequence[Bars]) -> bool:
    """Return whether all groups are drawn on one scale, because none is far below another."""
    longest = [_longest(group) for group in groups]
    return max(longest) <= APART * min(longest)


def _longest(group: Bars) -> float:
    return max(length for _, _, length in group.bars) or 1.0


def draw_points(title: str, points: Sequence[Point], axes: tuple[str, str]) -> str:
    """Return an SVG of points, time on a logarithmic axis, the front as a line, and a legend."""
    left, right = _decades([point.x for point in points])
    low = min(floor(20 * point.y) / 20 for point in points)
    low = min(low, 0.95)

    def place(point: Point) -> tuple[float, float]:
        across = (log10(point.x) - left) / (right - left)
        up = (point.y - low) / (1 - low)
        return LEFT + across * (WIDTH - LEFT - 12), 10 + (1 - up) * (PLOT - BOTTOM - 10)

    lines = [*_axes(left, right, low, axes)]
    front = sorted((point for point in points if point.is_front), key=lambda point: point.x)
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, front))
    lines.append(f'<polyline points="{path}" fill="none" stroke="{INK}" stroke-dasharray="4 3"/>')
    for number, point in enumerate(points, 1):
        lines += _mark(*place(point), number, point.colour)
    for number, point in enumerate(points, 1):
        y = PLOT + 10 + ROW * (number - 1)
        lines += _mark(8, y, number, point.colour)
        text = f"{point.name}: {short(point.x)} ms, {short(100 * point.y)}%"
        weight = "bold" if point.is_front else "normal"
        lines.append(_text(20, y + 4, text, font_weight=weight, font_size="11"))
    return _svg(title, PLOT + 10 + ROW * len(points), lines)


def _mark(x: float, y: float, number: int, hue: int) -> Iterator[str]:
    yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{colour(hue)}"/>'
    yield _text(x, y + 3.5, str(number), GROUND, text_anchor="middle", font_size="11")


def short(value: float) -> str:
    """Return a number with three digits that count, and no power of ten."""
    if value == 0:
        return "0"
    digits = max(0, 2 - floor(log10(abs(value))))
    return f"{value:.{digits}f}"


def _axes(left: int, right: int, low: float, axes: tuple[str, str]) -> Iterator[str]:
    bottom, end = PLOT - BOTTOM, WIDTH - 12
    for tick in range(SHARES + 1):
        share = tick / SHARES
        y = 10 + (1 - share) * (bottom - 10)
        yield f'<path d="M{LEFT} {y:.1f}H{end}" stroke="{FAINT}"/>'
        yield _text(LEFT - 4, y + 4, f"{low + share * (1 - low):.0%}", text_anchor="end")
    for decade in range(left, right + 1):
        for step in (1, 2, 5):
            across = (decade - left + log10(step)) / (right - left)
            if across > 1:
                continue
            x = LEFT + across * (end - LEFT)
            yield f'<path d="M{x:.1f} 10V{bottom}" stroke="{FAINT}"/>'
            yield _text(
                x, bottom + 14, f"{step * 10.0**decade:g}", text_anchor="middle", font_size="11"
            )
    yield _text((LEFT + end) / 2, PLOT - 10, axes[0], text_anchor="middle")
    yield _text(LEFT + 4, 22, axes[1])


def _decades(values: Sequence[float]) -> tuple[int, int]:
    left, right = floor(log10(min(values))), ceil(log10(max(values)))
    return left, max(right, left + 1)


def _svg(title: str, height: float, lines: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img"'
        f' font-family="system-ui, sans-serif" font-size="12">\n<title>{escape(title)}</title>\n'
        + "\n".join(lines)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, ink: str = INK, **attributes: str) -> str:
    """Return a text that begins at a place; further attributes have their dashes as underlines."""
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}"{more}>{escape(text)}</text>'
