"""Curves of a share over time as a picture: time on a logarithmic axis, shares from 0 to 1."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 900, 520
LEFT_PX, RIGHT_PX, TOP_PX, BOTTOM_PX = 70, 220, 30, 60
TEXT_COLOUR, GRID_COLOUR = "#22303c", "#c9d0d6"
COLOURS = ("#2a9d8f", "#e9a03b", "#5b6bbf")
TICKS_MS = (2, 5, 10, 20, 50, 100, 200, 500)
GRID_LINES = 10


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, share) from left to right; curves of one colour belong together."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int
    dashed: bool = False


def draw_curves(curves: Sequence[Curve], x_title: str, y_title: str) -> str:
    """Return an SVG of curves with their names."""
    times = [x for curve in curves for x, _ in curve.points]
    span = min(times) / 1.2, max(times) * 1.2
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
            f' width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *_draw_axes(span, x_title, y_title),
    ]
    for place, curve in enumerate(curves):
        lines += _draw_curve(curve, span, TOP_PX + 20 + 22 * place)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _draw_axes(span: tuple[float, float], x_title: str, y_title: str) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM_PX, WIDTH - RIGHT_PX
    for tenth in range(GRID_LINES + 1):
        y = _to_y(tenth / GRID_LINES)
        yield (
            f'<line x1="{LEFT_PX}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID_COLOUR}"/>'
        )
        yield _draw_text(LEFT_PX - 10, y + 4, f"{tenth / GRID_LINES:.1f}", "end")
    for tick in TICKS_MS:
        if span[0] <= tick <= span[1]:
            x = _to_x(tick, span)
            yield (
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP_PX}" y2="{bottom}" '
                f'stroke="{GRID_COLOUR}"/>'
            )
            yield _draw_text(x, bottom + 18, str(tick), "middle")
    yield _draw_text((LEFT_PX + right) / 2, HEIGHT - 14, x_title, "middle")
    yield _draw_text(LEFT_PX - 56, TOP_PX - 10, y_title, "start")


def _draw_curve(curve: Curve, span: tuple[float, float], legend_y: float) -> Iterator[str]:
    colour = COLOURS[curve.colour % len(COLOURS)]
    style = f'stroke="{colour}" stroke-width="2" fill="none"'
    style += ' stroke-dasharray="6 5"' if curve.dashed else ""
    places = [(_to_x(x, span), _to_y(share)) for x, share in curve.points]
    yield f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in places)}" {style}/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    x = WIDTH - RIGHT_PX + 16
    yield f'<line x1="{x}" x2="{x + 30}" y1="{legend_y}" y2="{legend_y}" {style}/>'
    yield _draw_text(x + 38, legend_y + 4, curve.name, "start")


def _to_x(value: float, span: tuple[float, float]) -> float:
    share = math.log(value / span[0]) / math.log(span[1] / span[0])
    return LEFT_PX + share * (WIDTH - LEFT_PX - RIGHT_PX)


def _to_y(share: float) -> float:
    return HEIGHT - BOTTOM_PX - share * (HEIGHT - TOP_PX - BOTTOM_PX)


def _draw_text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{TEXT_COLOUR}">'
        f"{escape(text)}</text>"
    )
