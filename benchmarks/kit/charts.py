"""Charts of figures as SVG: horizontal bars, and curves over a logarithmic axis."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.kit.goals import Goal
from phiz.lab.report.svg import CSS_TEXT_COLOUR, draw_line, draw_part, draw_text, wrap_svg

WIDTH, HEIGHT = 1100, 520  # the height is that of curves
FAINT, GRID = "#73808c", "#c9d0d6"
GREEN, RED, GREY = "#2a9d8f", "#e76f51", "#b8c0c8"
COLOURS = (GREEN, "#e9a03b", "#5b6bbf", RED, "#8a5a83", "#4f7942", FAINT)

LABEL_PX, FIGURES_PX = 390, 370  # left of the bars, and right of the longest one
BAR_PX, LINE_PX, TOP_PX, BOTTOM_PX = 18, 34, 72, 44
MAX_RATIO = 1.5  # longer bars of ratios are cut
MAX_DRAWN_LIMIT = 2.0  # larger limits have a dot instead of a bar

PLOT_LEFT_PX, PLOT_RIGHT_PX, PLOT_TOP_PX, PLOT_BOTTOM_PX = 70, WIDTH - 240, 30, HEIGHT - 60
TICKS_MS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
GRID_LINES = 10
PANEL_PX, PANEL_GAP_PX = 130, 50
GROWTH_PX, GROWTH_HEIGHT_PX = WIDTH // 2, 290


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a bar chart: a bar of a length in any unit, or a dot if that is None.

    ``figure`` is the text right of it, and ``note`` below the name. ``limit`` is the position of a
    line across the bar.
    """

    name: str
    figure: str
    colour: str
    length: float | None = None
    note: str = ""
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """Points (x, share) from left to right; related curves have one colour."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines over time by name, points (minute, value) each, on a scale that begins at 0."""

    name: str
    series: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, slots=True)
class GrowthPanel:
    """Lines by name, points (x, y) each, on two logarithmic scales; points at 0 are not drawn."""

    name: str
    series: Mapping[str, Sequence[tuple[float, float]]]


def draw_bars(title: str, subtitle: str, bars: Sequence[Bar], footer: str) -> str:
    """Return an SVG of horizontal bars on one scale."""
    longest = max(value or 0.0 for bar in bars for value in (bar.length, bar.limit)) or 1.0
    scale = (WIDTH - LABEL_PX - FIGURES_PX) / longest
    height = TOP_PX + LINE_PX * len(bars) + BOTTOM_PX
    lines = [draw_text(16, 28, title, font_size="17"), draw_text(16, 48, subtitle, FAINT)]
    for row, bar in enumerate(bars):
        lines += _draw_bar(bar, TOP_PX + LINE_PX * row, scale)
    return _wrap(title, height, [*lines, draw_text(16, height - 16, footer, FAINT)])


def goals_to_bars(goals: Iterable[Goal]) -> Iterator[Bar]:
    """Yield the goals that have a limit; ratios as bars to scale, other figures with a dot."""
    for goal in goals:
        if goal.limit is None:
            continue
        is_drawn = goal.measure == "ratio" and goal.limit <= MAX_DRAWN_LIMIT
        figure = f"{goal.format_figure()} ({goal.format_limit()})"
        if goal.ours_ms is not None:
            figure += f": {goal.ours_ms:.2f} of {goal.other_ms:.2f} ms"
        yield Bar(
            goal.what,
            figure,
            GREEN if goal.is_reached else RED,
            min(goal.figure, MAX_RATIO) if is_drawn else None,
            goal.against,
            goal.limit if is_drawn else None,
        )


def _draw_bar(bar: Bar, y: int, scale: float) -> Iterator[str]:
    yield draw_text(16, y + (8 if bar.note else 13), bar.name)
    if bar.note:
        yield draw_text(16, y + 22, bar.note, FAINT, font_size="11")
    if bar.length is None:
        middle = BAR_PX / 2
        yield draw_part("circle", cx=LABEL_PX + middle, cy=y + middle, r=6, fill=bar.colour)
        yield draw_text(LABEL_PX + BAR_PX + 8, y + 13, bar.figure)
        return
    length, limit = scale * bar.length, scale * (bar.limit or 0)
    size = {"width": f"{length:.1f}", "height": f"{BAR_PX}"}
    yield draw_part("rect", x=LABEL_PX, y=y, **size, fill=bar.colour)
    if bar.limit is not None:
        x = LABEL_PX + limit
        ends = (x, y - 4), (x, y + BAR_PX + 4)
        yield draw_line(ends, stroke=CSS_TEXT_COLOUR, stroke_width="2")
    yield draw_text(LABEL_PX + max(length, limit) + 8, y + 13, bar.figure)


def draw_curves(curves: Sequence[Curve], x_title: str, y_title: str) -> str:
    """Return an SVG of shares, 0 to 1, over times in ms on a logarithmic axis."""
    return _wrap(f"{y_title}, {x_title}", HEIGHT, [*_draw_plot(curves, x_title, y_title)])


def draw_plots(plots: Mapping[str, Sequence[Curve]], x_title: str) -> str:
    """Return an SVG of such plots one below the other, by the titles of their shares."""
    groups = [
        draw_part(
            "g",
            "\n".join(_draw_plot(curves, x_title, y_title)),
            transform=f"translate(0 {HEIGHT * place})",
        )
        for place, (y_title, curves) in enumerate(plots.items())
    ]
    return _wrap(f"{', '.join(plots)}, {x_title}", HEIGHT * len(plots), groups)


def _draw_plot(curves: Sequence[Curve], x_title: str, y_title: str) -> Iterator[str]:
    times = [x for curve in curves for x, _ in curve.points]
    span = min(times) / 1.2, max(times) * 1.2
    yield from _draw_axes(span, x_title, y_title)
    for place, curve in enumerate(curves):
        yield from _draw_curve(curve, span, PLOT_TOP_PX + 20 + 22 * place)


def _draw_axes(span: tuple[float, float], x_title: str, y_title: str) -> Iterator[str]:
    for tenth in range(GRID_LINES + 1):
        share = tenth / GRID_LINES
        left, right = (_place(end, share, span) for end in span)
        yield draw_line((left, right), stroke=GRID)
        yield draw_text(left[0] - 10, left[1] + 4, f"{share:.1f}", text_anchor="end")
    for tick in TICKS_MS:
        if span[0] <= tick <= span[1]:
            bottom, top = (_place(tick, share, span) for share in (0, 1))
            yield draw_line((bottom, top), stroke=GRID)
            yield draw_text(bottom[0], bottom[1] + 18, str(tick), text_anchor="middle")
    middle = (PLOT_LEFT_PX + PLOT_RIGHT_PX) / 2
    yield draw_text(middle, HEIGHT - 14, x_title, text_anchor="middle")
    yield draw_text(PLOT_LEFT_PX - 56, PLOT_TOP_PX - 10, y_title)


def _draw_curve(curve: Curve, span: tuple[float, float], legend_y: float) -> Iterator[str]:
    colour = COLOURS[curve.colour % len(COLOURS)]
    style = {"stroke": colour, "stroke_width": "2"}
    if curve.dashed:
        style["stroke_dasharray"] = "6 5"
    places = [_place(x, share, span) for x, share in curve.points]
    yield draw_line(places, **style)
    for x, y in places:
        yield draw_part("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.5, fill=colour)
    x = PLOT_RIGHT_PX + 16
    yield draw_line(((x, legend_y), (x + 30, legend_y)), **style)
    yield draw_text(x + 38, legend_y + 4, curve.name)


def _place(x: float, share: float, span: tuple[float, float]) -> tuple[float, float]:
    """Return the place of a point in a plot, pixels."""
    across = math.log(x / span[0]) / math.log(span[1] / span[0])
    return (
        PLOT_LEFT_PX + across * (PLOT_RIGHT_PX - PLOT_LEFT_PX),
        PLOT_BOTTOM_PX - share * (PLOT_BOTTOM_PX - PLOT_TOP_PX),
    )


def draw_panels(title: str, panels: Sequence[Panel], marks: Sequence[float]) -> str:
    """Return an SVG of panels one below the other, over minutes, with lines at some of them."""
    end = max(x for panel in panels for points in panel.series.values() for x, _ in points)
    lines = [draw_text(PLOT_LEFT_PX, 24, title, font_size="15")]
    for place, panel in enumerate(panels):
        top = TOP_PX + place * (PANEL_PX + PANEL_GAP_PX)
        lines += _draw_panel(panel, top, end, marks)
    height = TOP_PX + len(panels) * (PANEL_PX + PANEL_GAP_PX) + 10
    lines.append(draw_text(PLOT_RIGHT_PX, height - 10, "minutes", FAINT))
    return _wrap(title, height, lines)


def _draw_panel(panel: Panel, top: float, end: float, marks: Sequence[float]) -> Iterator[str]:
    most = max(y for points in panel.series.values() for _, y in points) or 1.0
    scale_x, bottom = (PLOT_RIGHT_PX - PLOT_LEFT_PX) / end, top + PANEL_PX

    def locate(point: tuple[float, float]) -> tuple[float, float]:
        return PLOT_LEFT_PX + scale_x * point[0], bottom - PANEL_PX * point[1] / (1.1 * most)

    yield draw_text(PLOT_LEFT_PX, top - 8, panel.name)
    for y in (0.0, most / 2, most):
        left, right = locate((0, y)), locate((end, y))
        yield draw_line((left, right), stroke=GRID)
        yield draw_text(left[0] - 8, left[1] + 4, f"{y:,.0f}", text_anchor="end")
    for minute in (0.0, end / 2, end):
        x, _ = locate((minute, 0))
        yield draw_text(x, bottom + 16, f"{minute:.3g}", FAINT, text_anchor="middle")
    for mark in marks:
        x, _ = locate((mark, 0))
        yield draw_line(((x, top), (x, bottom)), stroke=FAINT, stroke_dasharray="2 4")
    for place, (name, points) in enumerate(panel.series.items()):
        colour = COLOURS[place % len(COLOURS)]
        yield draw_line(map(locate, points), stroke=colour, stroke_width="2")
        yield draw_text(PLOT_RIGHT_PX + 16, top + 12 + 18 * place, name, colour)


def draw_growth(title: str, panels: Iterable[GrowthPanel]) -> str:
    """Return an SVG of panels, two in a row."""
    lines = [draw_text(16, 28, title, font_size="17")]
    rows = 0
    for place, panel in enumerate(panels):
        rows = place // 2 + 1
        x, y = GROWTH_PX * (place % 2), TOP_PX + (rows - 1) * GROWTH_HEIGHT_PX
        parts = "\n".join(_draw_growth_panel(panel))
        lines.append(draw_part("g", parts, transform=f"translate({x} {y})"))
    return _wrap(title, TOP_PX + rows * GROWTH_HEIGHT_PX, lines)


def _draw_growth_panel(panel: GrowthPanel) -> Iterator[str]:
    """Yield the parts of a panel from its upper left corner on."""
    drawn = {
        name: [point for point in points if min(point) > 0] for name, points in panel.series.items()
    }
    spans = [
        (min(values) / 1.15, max(values) * 1.15)
        for values in zip(*(point for points in drawn.values() for point in points), strict=True)
    ]
    (left, right), (low, high) = spans
    width, height = GROWTH_PX - 230, GROWTH_HEIGHT_PX - 80

    def locate(x: float, y: float) -> tuple[float, float]:
        across = math.log(x / left) / math.log(right / left)
        up = math.log(y / low) / math.log(high / low)
        return 60 + width * across, height * (1 - up)

    yield draw_text(60, -8, panel.name)
    for x in {x: None for points in drawn.values() for x, _ in points}:
        yield draw_line((locate(x, low), locate(x, high)), stroke=GRID)
        yield draw_text(locate(x, low)[0], height + 18, f"{x:g}", text_anchor="middle")
    for y in (step * 10**power for power in range(-3, 6) for step in (1, 2, 5)):
        if low <= y <= high:
            yield draw_line((locate(left, y), locate(right, y)), stroke=GRID)
            yield draw_text(54, locate(left, y)[1] + 4, f"{y:g}", text_anchor="end")
    for place, (name, points) in enumerate(drawn.items()):
        colour, places = COLOURS[place % len(COLOURS)], [locate(*point) for point in points]
        yield draw_line(places, stroke=colour, stroke_width="2")
        for x, y in places:
            yield draw_part("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3, fill=colour)
        yield draw_text(70 + width, 12 + 18 * place, name, colour)


def _wrap(title: str, height: int, lines: Sequence[str]) -> str:
    """Return an SVG on white, which is also legible on a dark page."""
    background = draw_part("rect", width=WIDTH, height=height, fill="white")
    size = {"width": str(WIDTH), "height": str(height)}
    return wrap_svg(title, (WIDTH, height), [background, *lines], **size)
