"""Draws rooms.svg, the picture of the packages in architecture.md.

python docs/rooms.py > docs/rooms.svg
"""

import sys
import textwrap
from collections.abc import Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import escape


class Room(NamedTuple):
    """A package (its name ends with a slash) or a module, its content, and its process."""

    name: str
    content: str
    process: str


# From the top: each row imports only from the rows below it.
ROWS: Final = (
    (Room("lab/", "accuracy, timing, the study, reports", "none"),),
    (Room("cli/", "the command phiz and its subcommands", "service"),),
    (
        Room("convert/", "source files to ONNX files", "none"),
        Room("ray/", "Ray Serve and Ray Data", "none"),
    ),
    (
        Room("worker", "main module of a worker process", "worker"),
        Room("sdk/", "phiz.detect in process, and the clients", "none"),
    ),
    (
        Room("api/", "HTTP: server, routes, admission, metrics", "service"),
        Room("loading", "settings to a loaded engine", "worker"),
    ),
    (Room("wire/", "schemas, JSON, messages from a worker to the service", "both"),),
    (Room("engine", "image bytes to faces: the front door of detection", "worker"),),
    (
        Room("detectors/", "BlazeFace, MTCNN, the router", "worker"),
        Room("editing/", "faces drawn, cropped, covered", "worker"),
        Room("classifiers", "image bytes to ImageNet classes", "worker"),
    ),
    (
        Room("image/", "headers, limits, decoding, resampling", "worker"),
        Room("runtime/", "onnxruntime and OpenVINO", "worker"),
        Room("tracking/", "ids of faces from frame to frame, smoothing", "service"),
        Room("video/", "frames of cameras and files, files with sound", "none"),
    ),
    (
        Room("boxes/", "geometry, suppression, blending", "worker"),
        Room("workers/", "pool, supervisor, protocol, loop", "both"),
    ),
    (Room("faces", "Face, DetectOptions, array types", "both"),),
    (Room("options", "the options of a request, for HTTP and the command line", "both"),),
    (
        Room("settings", "environment variables", "both"),
        Room("models/", "the catalogue and the router's numbers", "both"),
        Room("system/", "control groups, memory, the log", "both"),
    ),
    (Room("timings", "the stopwatch of the stages", "both"),),
    (
        Room("cancellation", "the end of abandoned work", "both"),
        Room("errors", "the tree of errors", "both"),
    ),
)
COLOURS: Final = {
    "service": ("#dbeafe", "service process"),
    "worker": ("#dcfce7", "worker process"),
    "both": ("#fef3c7", "both processes"),
    "none": ("#f3f4f6", "not needed to serve"),
}
WIDTH: Final = 640
MARGIN: Final = 12
GAP: Final = 8
PADDING: Final = 10
NAME_HEIGHT: Final = 32  # of a room without its content
LINE_HEIGHT: Final = 18
LETTER_WIDTH: Final = 7.2  # px, on average at 13 px in the widest of the usual fonts
LEGEND_HEIGHT: Final = 34
INK: Final = "#1f2937"


def draw_rooms() -> str:
    """Return the picture as SVG, without outside references."""
    rooms, top = [], float(MARGIN + LEGEND_HEIGHT)
    for row in ROWS:
        drawn, bottom = _draw_row(row, top)
        rooms += drawn
        top = bottom + GAP
    height = top - GAP + MARGIN
    size = f'viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" fill="{INK}">',
        "<title>The packages of phiz: each row imports only from the rows below it</title>",
        f'<rect width="{WIDTH}" height="{height:g}" rx="8" fill="#ffffff"/>',
        *_draw_legend(),
        *rooms,
    ]
    return "\n".join([*parts, "</svg>", ""])


def _draw_row(row: Sequence[Room], top: float) -> tuple[list[str], float]:
    """Return rooms side by side, and their bottom. They are as high as the longest needs."""
    width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)
    letters = int((width - 2 * PADDING) / LETTER_WIDTH)
    contents = [textwrap.wrap(room.content, letters) for room in row]
    height = NAME_HEIGHT + LINE_HEIGHT * max(map(len, contents))
    parts = []
    for column, (room, lines) in enumerate(zip(row, contents, strict=True)):
        left = MARGIN + column * (width + GAP)
        parts.append(_draw_box(left, top, width, height, COLOURS[room.process][0]))
        parts += _draw_text(room.name, lines, left + PADDING, top)
    return parts, top + height


def _draw_legend() -> list[str]:
    parts = []
    width = (WIDTH - 2 * MARGIN) / len(COLOURS)
    for column, (colour, label) in enumerate(COLOURS.values()):
        left = MARGIN + column * width
        parts += [
            _draw_box(left, MARGIN, 16, 16, colour),
            f'<text x="{left + 22:g}" y="{MARGIN + 13}" font-size="13">{label}</text>',
        ]
    return parts


def _draw_text(name: str, lines: Sequence[str], left: float, top: float) -> list[str]:
    place = f'x="{left:g}" y="{top + 20:g}"'
    return [
        f'<text {place} font-size="15" font-weight="bold">{escape(name)}</text>',
        *(
            f'<text x="{left:g}" y="{top + 39 + LINE_HEIGHT * number:g}" font-size="13">'
            f"{escape(line)}</text>"
            for number, line in enumerate(lines)
        ),
    ]


def _draw_box(left: float, top: float, width: float, height: float, colour: str) -> str:
    place = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="4" fill="{colour}" stroke="{INK}"/>'


if __name__ == "__main__":
    sys.stdout.write(draw_rooms())
