"""The goals as a picture: a bar for each ratio, and a line where it should end at the latest."""

from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.kit.goals import Goal

WIDTH = 1000
LABEL_PX = 400  # where bars begin
BAR_PX = 18
LINE_PX = 34
TOP_PX = 72
BOTTOM_PX = 44
MAX_RATIO = 1.5  # the ratio that ends where the figures need room; longer bars are cut there
SCALE = (WIDTH - LABEL_PX - 210) / MAX_RATIO
MAX_DRAWN_LIMIT = 2.0  # the largest limit that is drawn to scale; the others are told in words
REACHED, MISSED = "#2a9d8f", "#e76f51"
INK, FAINT = "#22303c", "#73808c"


def draw_goals(goals: Sequence[Goal], title: str, footer: str) -> str:
    """Return an SVG of the goals that have a limit, one below the other."""
    shown = [goal for goal in goals if goal.limit is not None]
    height = TOP_PX + LINE_PX * len(shown) + BOTTOM_PX
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        draw_label(16, 28, title, INK, size=17),
        draw_label(16, 48, "bars: time in proportion to what stands below the name", FAINT),
    ]
    for row, goal in enumerate(shown):
        lines += _draw_goal(goal, TOP_PX + LINE_PX * row)
    lines += [draw_label(16, height - 16, footer, FAINT, size=11), "</svg>"]
    return "\n".join(lines) + "\n"


def _draw_goal(goal: Goal, y: int) -> Iterator[str]:
    """Yield a goal's names, its bar if it is a ratio that has one, and its figure."""
    yield draw_label(16, y + 8, goal.what, INK)
    yield draw_label(16, y + 22, goal.against, FAINT, size=11)
    assert goal.limit is not None, "only goals with one are drawn"
    colour = REACHED if goal.is_reached else MISSED
    if goal.measure != "ratio" or goal.limit > MAX_DRAWN_LIMIT:
        yield f'<circle cx="{LABEL_PX + BAR_PX / 2}" cy="{y + BAR_PX / 2}" r="6" fill="{colour}"/>'
        yield draw_label(LABEL_PX + BAR_PX + 8, y + 13, format_figure(goal), INK)
        return
    length, aim = (SCALE * min(value, MAX_RATIO) for value in (goal.figure, goal.limit))
    x = LABEL_PX + aim
    yield f'<rect x="{LABEL_PX}" y="{y}" width="{length:.1f}" height="{BAR_PX}" fill="{colour}"/>'
    yield (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 4}" y2="{y + BAR_PX + 4}"'
        f' stroke="{INK}" stroke-width="2"/>'
    )
    yield draw_label(LABEL_PX + max(length, aim) + 8, y + 13, format_figure(goal), INK)


def format_figure(goal: Goal) -> str:
    """Return a goal's figure, its limit, and the times behind it."""
    if goal.measure == "IoU":
        return f"{goal.figure:.4f} (≥ {goal.limit:g})"
    times = f"{goal.ours_ms:.2f} of {goal.other_ms:.2f} ms"
    if goal.measure == "ms more":
        return f"{goal.figure:+.2f} ms (≤ {goal.limit:g}): {times}"
    return f"{goal.figure:.2f} (≤ {goal.limit:g}): {times}"


def draw_label(x: float, y: float, text: str, colour: str, size: int = 13) -> str:
    """Return a line of text that begins at a place and stands on it."""
    return f'<text x="{x:.1f}" y="{y}" fill="{colour}" font-size="{size}">{escape(text)}</text>'
