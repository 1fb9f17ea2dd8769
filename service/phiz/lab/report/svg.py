"""The parts of a chart as SVG, written by hand.

Colours are those of the page that a chart is in, or else their light ones. Attributes have
their dashes as underlines.
"""

from collections.abc import Iterable
from html import escape
from typing import Final

CSS_TEXT_COLOUR: Final = "var(--ink, #1c242b)"
CSS_BACKGROUND: Final = "var(--ground, #fff)"
CSS_GRID_COLOUR: Final = "var(--faint, #d5dade)"


def wrap_svg(title: str, size_wh: tuple[float, float], parts: Iterable[str], **more: str) -> str:
    """Return an SVG of some parts, with further attributes."""
    box = "0 0 {:.0f} {:.0f}".format(*size_wh)
    text = f"\n<title>{escape(title)}</title>\n" + "\n".join(parts) + "\n"
    font = {"font_family": "system-ui, sans-serif", "font_size": "12"}
    attributes = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": box, **more, "role": "img"}
    return draw_part("svg", text, **attributes, **font) + "\n"


def draw_text(x: float, y: float, text: str, fill: str = CSS_TEXT_COLOUR, **more: str) -> str:
    """Return a text that begins at a place."""
    return draw_part("text", escape(text), x=f"{x:.1f}", y=f"{y:.1f}", fill=fill, **more)


def draw_line(points: Iterable[tuple[float, float]], **more: str) -> str:
    """Return a line through points, without those that are the same to a tenth of a pixel."""
    places = " ".join(dict.fromkeys(f"{x:.1f},{y:.1f}" for x, y in points))
    return draw_part("polyline", points=places, fill="none", **more)


def draw_part(kind: str, content: str = "", **attributes: object) -> str:
    """Return an element of SVG."""
    named = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f"<{kind}{named}>{content}</{kind}>" if content else f"<{kind}{named}/>"
