"""The servers as a picture: a bar for the requests that each answers in a second."""

from collections.abc import Iterator, Sequence

from benchmarks.kit.bars import (
    BAR_PX,
    BOTTOM_PX,
    FAINT,
    INK,
    LINE_PX,
    MISSED,
    REACHED,
    TOP_PX,
    WIDTH,
    draw_label,
)
from benchmarks.load.goals import Goal
from benchmarks.load.report import ServerRow

LABEL_PX = 260  # where bars begin
FIGURES_PX = 340  # for the figures behind the longest bar
OURS, OTHERS = "#2a9d8f", "#b8c0c8"
GAP_PX = 30
GOAL_LINE_PX = 22


def draw_servers(rows: Sequence[ServerRow], goals: Sequence[Goal], title: str, footer: str) -> str:
    """Return an SVG of the servers, and of the goals below them."""
    middle = TOP_PX + LINE_PX * len(rows) + GAP_PX
    height = middle + GOAL_LINE_PX * len(goals) + BOTTOM_PX
    scale = (WIDTH - LABEL_PX - FIGURES_PX) / max(row.rate for row in rows)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        draw_label(16, 28, title, INK, size=17),
        draw_label(16, 48, "bars: requests answered in a second", FAINT),
    ]
    for place, row in enumerate(rows):
        lines += _draw_server(row, TOP_PX + LINE_PX * place, scale)
    for place, goal in enumerate(goals):
        lines += _draw_goal(goal, middle + GOAL_LINE_PX * place)
    lines += [draw_label(16, height - 16, footer, FAINT, size=11), "</svg>"]
    return "\n".join(lines) + "\n"


def _draw_server(row: ServerRow, y: int, scale: float) -> Iterator[str]:
    """Yield a server's name, its bar and its figures."""
    colour = OURS if row.title.startswith("phiz") else OTHERS
    length = row.rate * scale
    text = f"{row.rate:.0f}/s, p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms"
    if row.overhead_ms is not None:
        text += f", overhead {row.overhead_ms:.2f} ms"
    yield draw_label(16, y + 13, row.title, INK)
    yield f'<rect x="{LABEL_PX}" y="{y}" width="{length:.1f}" height="{BAR_PX}" fill="{colour}"/>'
    yield draw_label(LABEL_PX + length + 8, y + 13, text, INK, size=12)


def _draw_goal(goal: Goal, y: int) -> Iterator[str]:
    """Yield a dot, green where the goal is reached, and the figure."""
    colour = REACHED if goal.is_reached else MISSED
    yield f'<circle cx="24" cy="{y}" r="5" fill="{colour}"/>'
    yield draw_label(
        38, y + 4, f"{goal.what}: {goal.figure:.3g} ({goal.sense} {goal.limit:g})", INK
    )
