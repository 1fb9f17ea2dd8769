"""The servers as a picture: a bar for the requests that each answers in a second."""

from collections.abc import Iterator, Sequence

from benchmarks.kit.bars import BAR, BOTTOM, FAINT, INK, LINE, MISSED, REACHED, TOP, WIDTH, label
from benchmarks.load.goals import Goal
from benchmarks.load.report import Row

LABELS = 260  # where bars begin
ROOM = 340  # for the figures behind the longest bar
OURS, OTHERS = "#2a9d8f", "#b8c0c8"
GAP = 30
GOAL_LINE = 22


def draw(rows: Sequence[Row], goals: Sequence[Goal], title: str, footer: str) -> str:
    """Return an SVG of the servers, and of the goals below them."""
    middle = TOP + LINE * len(rows) + GAP
    height = middle + GOAL_LINE * len(goals) + BOTTOM
    scale = (WIDTH - LABELS - ROOM) / max(row.rate for row in rows)
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
            f' width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="13">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        label(16, 28, title, INK, size=17),
        label(16, 48, "bars: requests answered in a second", FAINT),
    ]
    for place, row in enumerate(rows):
        lines += _row(row, TOP + LINE * place, scale)
    for place, goal in enumerate(goals):
        lines += _goal(goal, middle + GOAL_LINE * place)
    lines += [label(16, height - 16, footer, FAINT, size=11), "</svg>"]
    return "\n".join(lines) + "\n"


def _row(row: Row, y: int, scale: float) -> Iterator[str]:
    """Yield a server's name, its bar and its figures."""
    colour = OURS if row.title.startswith("phiz") else OTHERS
    length = row.rate * scale
    told = f"{row.rate:.0f}/s, p50 {row.p50_ms:.1f} ms, p99 {row.p99_ms:.1f} ms"
    if row.overhead_ms is not None:
        told += f", overhead {row.overhead_ms:.2f} ms"
    yield label(16, y + 13, row.title, INK)
    yield f'<rect x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
    yield label(LABELS + length + 8, y + 13, told, INK, size=12)


def _goal(goal: Goal, y: int) -> Iterator[str]:
    """Yield a dot, green where the goal is reached, and the figure."""
    colour = REACHED if goal.is_reached else MISSED
    yield f'<circle cx="24" cy="{y}" r="5" fill="{colour}"/>'
    yield label(38, y + 4, f"{goal.what}: {goal.figure:.3g} ({goal.sense} {goal.limit:g})", INK)
