"""Synthetic faces: images for warm-up, and for measurements without photographs.

Every detector finds most of them. They show whether networks agree and whether memory is stable.
They do not measure accuracy.
"""

from typing import Final

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFilter

from phiz.faces import RgbImage

Colour = tuple[int, int, int]

BACKGROUND: Final[Colour] = (90, 110, 130)
# Ellipses in drawing order, x1 y1 x2 y2 in a square of 400 pixels.
TEMPLATE_SIDE_PX: Final = 400
FACE_ELLIPSES: Final[tuple[tuple[tuple[int, int, int, int], Colour], ...]] = (
    ((70, 10, 330, 300), (60, 40, 30)),  # hair
    ((90, 40, 310, 360), (224, 172, 140)),  # skin
    ((118, 134, 182, 150), (60, 40, 30)),  # brows
    ((218, 134, 282, 150), (60, 40, 30)),
    ((122, 160, 178, 190), (250, 250, 250)),  # eyes
    ((222, 160, 278, 190), (250, 250, 250)),
    ((137, 160, 163, 190), (50, 30, 20)),  # irises
    ((237, 160, 263, 190), (50, 30, 20)),
    ((180, 185, 220, 247), (200, 145, 115)),  # nose
    ((150, 275, 250, 310), (180, 70, 70)),  # mouth
    ((155, 288, 245, 296), (120, 30, 30)),
)
BLUR_PX: Final = 4
FACE_SIDES_PX: Final = (24, 240)  # of the smallest and the largest face's square, pixels


def draw_crowd(width: int, height: int, seed: int = 0) -> RgbImage:
    """Return an image (height, width, 3) of faces of many sizes, determined by the seed."""
    random = np.random.default_rng(seed)
    face = _draw_face()
    crowd = Pillow.new("RGB", (width, height), BACKGROUND)
    y = 0
    while y < height:
        x, row = 0, int(random.integers(*FACE_SIDES_PX))
        while x < width:
            side = int(random.integers(FACE_SIDES_PX[0], row + 1))
            crowd.paste(face.resize((side, side), Pillow.Resampling.BOX), (x, y))
            x += side
        y += row
    return np.asarray(crowd)


def _draw_face() -> Pillow.Image:
    face = Pillow.new("RGB", (TEMPLATE_SIDE_PX, TEMPLATE_SIDE_PX), BACKGROUND)
    draw = ImageDraw.Draw(face)
    for box, colour in FACE_ELLIPSES:
        draw.ellipse(box, fill=colour)
    return face.filter(ImageFilter.GaussianBlur(BLUR_PX))
