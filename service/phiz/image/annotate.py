"""Draws faces on an image, to check detections by eye.

Each line is bright on a wider dark one, which is visible on any background. Line widths and
letters grow with the image. Letters shrink with the face.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from phiz.faces import Face, Point, RgbImage

_OUTLINE_COLOUR = (0, 0, 0)
_BOX_COLOUR = (0, 255, 128)
_LANDMARK_COLOUR = (255, 224, 0)

_LINE_PER_SIDE = 1 / 400  # of the longer side of the image
_TEXT_PER_SIDE = 1 / 45
_TEXT_PER_BOX = 1 / 4  # so that a score is no wider than its box
_MIN_TEXT_PX = 10
_DOT_PER_BOX = 1 / 40


def draw_faces(image: RgbImage, faces: Sequence[Face]) -> RgbImage:
    """Return a copy of an image with the box, landmarks and score of each face.

    Args:
        image: (H, W, 3), RGB.
        faces: In pixels of ``image``. The first face is drawn last, on top of the others.
    """
    drawing = Pillow.fromarray(image)
    canvas = ImageDraw.Draw(drawing)
    longer_side = max(image.shape[:2])
    line = max(1, round(longer_side * _LINE_PER_SIDE))
    for face in reversed(faces):
        _draw_box(canvas, face.box, line)
        side = _compute_shorter_side(face)
        radius = max(line, round(side * _DOT_PER_BOX))
        for point in face.landmarks.values():
            _draw_dot(canvas, point, radius, line)
    for face in reversed(faces):
        letters = min(longer_side * _TEXT_PER_SIDE, _compute_shorter_side(face) * _TEXT_PER_BOX)
        _draw_score(canvas, face, max(_MIN_TEXT_PX, letters), line)
    return np.array(drawing)  # (H, W, 3)


def _compute_shorter_side(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return min(x2 - x1, y2 - y1)


def _draw_box(
    canvas: ImageDraw.ImageDraw, box: tuple[float, float, float, float], line: int
) -> None:
    """Draw the outline: a bright line just inside the box, and a dark line around it."""
    # A box is half-open and Pillow's corners are not; a box narrower than a pixel has one.
    x1, y1, x2, y2 = (round(side) for side in box)
    x2, y2 = max(x1, x2 - 1), max(y1, y2 - 1)
    edge = max(1, line // 2)
    canvas.rectangle(
        (x1 - edge, y1 - edge, x2 + edge, y2 + edge), outline=_OUTLINE_COLOUR, width=line + 2 * edge
    )
    canvas.rectangle((x1, y1, x2, y2), outline=_BOX_COLOUR, width=line)


def _draw_dot(canvas: ImageDraw.ImageDraw, point: Point, radius: int, line: int) -> None:
    edge = max(1, line // 2)
    canvas.circle(point, radius + edge, fill=_OUTLINE_COLOUR)
    canvas.circle(point, radius, fill=_LANDMARK_COLOUR)


def _draw_score(canvas: ImageDraw.ImageDraw, face: Face, text_px: float, line: int) -> None:
    """Write the score above the box, or inside it if there is no room above."""
    x1, y1, _, _ = face.box
    text = f"{face.score:.2f}"
    font = ImageFont.load_default(text_px)
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=font)
    width, height = right - left + 2 * line, bottom - top + 2 * line
    picture_width, _ = canvas.im.size
    x = max(0, min(x1, picture_width - width))
    y = y1 - height - line if y1 >= height + line else y1 + line
    canvas.rectangle((x, y, x + width, y + height), fill=_OUTLINE_COLOUR)
    canvas.text((x + line - left, y + line - top), text, fill=_BOX_COLOUR, font=font)
