"""Draws rooms.svg, the picture of the packages in architecture.md.

python docs/rooms.py > docs/rooms.svg
"""

import sys
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
ROW_HEIGHT: Final = 50
LEGEND_HEIGHT: Final = 34
INK: Final = "#1f2937"


def draw_rooms() -> str:
    """Return the picture as SVG, without outside references."""
    height = 2 * MARGIN + LEGEND_HEIGHT + len(ROWS) * (ROW_HEIGHT + GAP) - GAP
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" fill="{INK}">',
        "<title>The packages of phiz: each row imports only from the rows below it</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>',
        *_draw_legend(),
    ]
    for row, rooms in enumerate(ROWS):
        width = (WIDTH - 2 * MARGIN - GAP * (len(rooms) - 1)) / len(rooms)
        top = MARGIN + LEGEND_HEIGHT + row * (ROW_HEIGHT + GAP)
        for column, room in enumerate(rooms):
            parts += _draw_room(room, MARGIN + column * (width + GAP), top, width)
    return "\n".join([*parts, "</svg>", ""])


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


def _draw_room(room: Room, left: float, top: float, width: float) -> list[str]:
    colour, _ = COLOURS[room.process]
    name, content = escape(room.name), escape(room.content)
    left_px = f"{left + 10:g}"
    return [
        _draw_box(left, top, width, ROW_HEIGHT, colour),
        f'<text x="{left_px}" y="{top + 20:g}" font-size="15" font-weight="bold">{name}</text>',
        f'<text x="{left_px}" y="{top + 39:g}" font-size="13">{content}</text>',
    ]


def _draw_box(left: float, top: float, width: float, height: float, colour: str) -> str:
    place = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="4" fill="{colour}" stroke="{INK}"/>'


if __name__ == "__main__":
    sys.stdout.write(draw_rooms())
