"""Draws faces on an image, to check detections by eye.

Each line is bright on a wider dark one, which is visible on any background. Line widths, dots and
letters grow with the face, up to a limit that grows with the image. Drawing must not hide a face:
the outline of a small one lies around it, and its dots are single pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from phiz.faces import Face, Point

_OUTLINE_COLOUR: Final = (0, 0, 0)
_BOX_COLOUR: Final = (0, 255, 128)
_LANDMARK_COLOUR: Final = (255, 224, 0)

_LINE_PER_SIDE: Final = 1 / 400  # of the longer side of the image
_LINE_PER_BOX: Final = 1 / 24  # of the shorter side of the box
_OUTSIDE_PX: Final = 64  # the outline of a smaller face lies around it
_DOT_PER_BOX: Final = 1 / 40
_PLAIN_DOT_PX: Final = 80  # the dots of a smaller face have no dark edge
_TEXT_PER_SIDE: Final = 1 / 45
_TEXT_PER_BOX: Final = 1 / 4  # so that a score is no wider than its box
_MIN_TEXT_PX: Final = 10
_MIN_TEXT_PER_SIDE: Final = 1 / 160
# Share of its own box that a label within it may take.
_MAX_INSIDE_SHARE: Final = 0.25

_Rectangle: TypeAlias = tuple[float, float, float, float]
"""x1, y1, x2, y2, half-open."""
_Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class _Style:
    """How one face is drawn, in pixels.

    Attributes:
        line: Width of the bright line.
        edge: Width of the dark line on both sides of it.
        outset: Distance of the bright line from the box, outwards.
        dot: Radius of a landmark.
        dot_edge: Width of its dark edge.
        text: Height of the letters.
    """

    line: int
    edge: int
    outset: int
    dot: int
    dot_edge: int
    text: int


def annotate_image(image: Pillow.Image, faces: Sequence[Face]) -> None:
    """Draw the box, landmarks and score of each face on an image.

    A score that has no place beside the other faces and scores is left out.

    Args:
        image: In mode RGB; it is changed.
        faces: In pixels of ``image``, best first. The best is drawn last, on top of the others.
    """
    canvas = ImageDraw.Draw(image)
    styles = [_choose_style(face, max(image.size)) for face in faces]
    for face, style in zip(reversed(faces), reversed(styles), strict=True):
        _draw_box(canvas, face.box, style)
        for point in face.landmarks.values():
            _draw_dot(canvas, point, style)
    _draw_scores(canvas, faces, styles)


def _choose_style(face: Face, longer_side: int) -> _Style:
    side = _compute_shorter_side(face)
    is_small = side < _OUTSIDE_PX
    line = max(1, round(min(longer_side * _LINE_PER_SIDE, side * _LINE_PER_BOX)))
    edge = max(1, line // 2)
    letters = min(longer_side * _TEXT_PER_SIDE, side * _TEXT_PER_BOX)
    return _Style(
        line=line,
        edge=edge,
        outset=line + edge if is_small else 0,
        dot=max(0 if is_small else line, round(side * _DOT_PER_BOX)),
        dot_edge=0 if side < _PLAIN_DOT_PX else edge,
        text=round(max(_MIN_TEXT_PX, longer_side * _MIN_TEXT_PER_SIDE, letters)),
    )


def _compute_shorter_side(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return min(x2 - x1, y2 - y1)


def _draw_box(canvas: ImageDraw.ImageDraw, box: _Rectangle, style: _Style) -> None:
    """Draw the outline: a bright line, and a dark line on both sides of it."""
    # A box is half-open and Pillow's corners are not; a box narrower than a pixel has one.
    x1, y1, x2, y2 = (round(side) for side in box)
    x2, y2 = max(x1, x2 - 1) + style.outset, max(y1, y2 - 1) + style.outset
    x1, y1 = x1 - style.outset, y1 - style.outset
    edge = style.edge
    canvas.rectangle(
        (x1 - edge, y1 - edge, x2 + edge, y2 + edge),
        outline=_OUTLINE_COLOUR,
        width=style.line + 2 * edge,
    )
    canvas.rectangle((x1, y1, x2, y2), outline=_BOX_COLOUR, width=style.line)


def _draw_dot(canvas: ImageDraw.ImageDraw, point: Point, style: _Style) -> None:
    if not style.dot:
        canvas.point([(int(point[0] // 1), int(point[1] // 1))], fill=_LANDMARK_COLOUR)
        return
    if style.dot_edge:
        canvas.circle(point, style.dot + style.dot_edge, fill=_OUTLINE_COLOUR)
    canvas.circle(point, style.dot, fill=_LANDMARK_COLOUR)


def _draw_scores(
    canvas: ImageDraw.ImageDraw, faces: Sequence[Face], styles: Sequence[_Style]
) -> None:
    """Write the score of each face where it covers neither another face nor another score."""
    if not faces:
        return
    boxes = np.array([face.box for face in faces], np.float64)  # (N, 4)
    outsets = np.array([style.outset for style in styles])[:, None]  # (N, 1)
    taken = np.concatenate([boxes + outsets * (-1, -1, 1, 1), np.zeros_like(boxes)])  # (2 N, 4)
    for index, (face, style) in enumerate(zip(faces, styles, strict=True)):
        text = f"{face.score:.2f}"
        font = _load_font(style.text)
        left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
        pad = style.line
        size_wh = right - left + 2 * pad, bottom - top + 2 * pad
        others = np.delete(taken[: len(faces) + index], index, axis=0)
        place = _find_place(face, style, size_wh, canvas.im.size, others)
        if place is None:
            continue
        taken[len(faces) + index] = place
        x, y = place[:2]
        canvas.rectangle((x, y, place[2] - 1, place[3] - 1), fill=_OUTLINE_COLOUR)
        canvas.text((x + pad - left, y + pad - top), text, fill=_BOX_COLOUR, font=font)


@lru_cache(64)
def _load_font(size_px: int) -> _Font:
    return ImageFont.load_default(size_px)


def _find_place(
    face: Face,
    style: _Style,
    size_wh: tuple[float, float],
    image_wh: tuple[int, int],
    others: NDArray[np.float64],
) -> _Rectangle | None:
    """Return the first place for a label within the image that covers nothing else, or None.

    Args:
        face: Its face.
        style: How the face is drawn.
        size_wh: Size of the label.
        image_wh: Size of the image.
        others: Boxes of the other faces, and the labels so far (M, 4).
    """
    for x, y in _iter_places(face, style, size_wh, image_wh):
        place = (x, y, x + size_wh[0], y + size_wh[1])
        is_inside = x >= 0 and y >= 0 and place[2] <= image_wh[0] and place[3] <= image_wh[1]
        if is_inside and not _is_covering(place, others):
            return place
    return None


def _iter_places(
    face: Face, style: _Style, size_wh: tuple[float, float], image_wh: tuple[int, int]
) -> Iterator[Point]:
    """Yield the left upper corners of the places for a label, the best first."""
    x1, y1, x2, y2 = (round(side) for side in face.box)
    width, height = size_wh
    gap = style.outset + style.edge + style.line
    x = max(0, min(x1, image_wh[0] - width))
    yield x, y1 - height - gap
    may_be_inside = width * height <= _MAX_INSIDE_SHARE * (x2 - x1) * (y2 - y1)
    if may_be_inside:
        yield x + style.line, y1 + style.line
    yield x, y2 + gap
    yield x2 + gap, y1
    yield x1 - width - gap, y1
    if may_be_inside:
        yield x + style.line, y2 - height - style.line


def _is_covering(place: _Rectangle, others: NDArray[np.float64]) -> bool:
    """Return whether a rectangle overlaps one of others (M, 4)."""
    x1, y1, x2, y2 = place
    across = (others[:, 0] < x2) & (others[:, 2] > x1)  # (M,)
    return bool((across & (others[:, 1] < y2) & (others[:, 3] > y1)).any())
