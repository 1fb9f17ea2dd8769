"""How a face is turned and how well it shows, from its landmarks and the pixels already there.

All of it is simple: enough to pick the best of several pictures, not to judge a single one.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.faces import Face, Point, Quality
from phiz.image.lazy import Reduced
from phiz.image.pixels import rgb

SHARPNESS_SIDE = 64  # pixels that a face is brought to, so that all sizes compare


def roll_of(landmarks: Mapping[str, Point]) -> float:
    """Return the angle of the line from left to right eye, degrees clockwise, -180 to 180.

    It is 0 for an upright head and 90 for one whose top points to the right of the picture.
    """
    (x1, y1), (x2, y2) = landmarks["left_eye"], landmarks["right_eye"]
    return math.degrees(math.atan2(y2 - y1, x2 - x1))


def with_roll(face: Face) -> Face:
    """Return a face with its roll."""
    return replace(face, roll=roll_of(face.landmarks))


def with_quality(face: Face, seen: Reduced) -> Face:
    """Return a face with its roll and its quality.

    Args:
        face: In pixels of the picture.
        seen: The picture, perhaps at a smaller scale.
    """
    eyes = math.dist(face.landmarks["left_eye"], face.landmarks["right_eye"])
    quality = Quality(eyes, frontalness(face.landmarks), sharpness(face, seen))
    return replace(with_roll(face), quality=quality)


def frontalness(landmarks: Mapping[str, Point]) -> float:
    """Return 1 where the nose lies midway between the eyes, down to 0 where it is beside one.

    Midway is meant along the line of the eyes, so that roll changes nothing.
    """
    left, right, nose = (np.array(landmarks[name]) for name in ("left_eye", "right_eye", "nose"))
    line = right - left
    squared = float(line @ line)
    if not squared:  # both eyes in one place: seen from the side
        return 0.0
    along = float((nose - left) @ line) / squared  # 0 at the left eye, 1 at the right
    return max(0.0, 1 - abs(2 * along - 1))


def sharpness(face: Face, seen: Reduced) -> float:
    """Return how strong the finest detail of a face is, against its contrast; 0 if it has none.

    The standard deviation of the Laplacian (Pech-Pacheco et al. 2000) over that of the grey
    values, of the box at ``SHARPNESS_SIDE`` pixels a side: a blurred face has about 0.1, a
    sharp one 0.5. Detail that was lost when the picture was reduced does not count.
    """
    grey = _grey(face, seen)  # (64, 64)
    contrast = float(grey.std())
    if not contrast:
        return 0.0
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * middle).std()) / contrast


def _grey(face: Face, seen: Reduced) -> NDArray[np.float64]:
    """Return the grey values of a face's box (64, 64)."""
    height, width = seen.pixels.shape
    x, y = seen.origin_xy
    x1, y1, x2, y2 = np.array(face.box) - (x, y, x, y)
    left, top = (min(int(low / seen.factor), side - 1) for low, side in ((x1, width), (y1, height)))
    right, bottom = (math.ceil(high / seen.factor) for high in (x2, y2))
    patch = Pillow.fromarray(
        rgb(seen.pixels[top : max(bottom, top + 1), left : max(right, left + 1)])
    )
    size = SHARPNESS_SIDE, SHARPNESS_SIDE
    return np.asarray(patch.convert("L").resize(size, Pillow.Resampling.BILINEAR), np.float64)
