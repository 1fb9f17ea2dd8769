"""Roll and quality of a face, from its landmarks and decoded pixels.

The measures are simple. They select the best of several images, but do not judge a single one.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.faces import Face, Point, Quality
from phiz.image.lazy import ScaledImage
from phiz.image.pixels import unpack_rgb

SHARPNESS_SIDE_PX = 64  # pixels that every face is resized to, so that sizes are comparable


def compute_roll(landmarks: Mapping[str, Point]) -> float:
    """Return the angle of the line from left to right eye, degrees clockwise, -180 to 180.

    It is 0 for an upright head and 90 for one whose top points to the right of the image.
    """
    (x1, y1), (x2, y2) = landmarks["left_eye"], landmarks["right_eye"]
    return math.degrees(math.atan2(y2 - y1, x2 - x1))


def with_roll(face: Face) -> Face:
    """Return a face with its roll."""
    return replace(face, roll=compute_roll(face.landmarks))


def with_quality(face: Face, scaled: ScaledImage) -> Face:
    """Return a face with its roll and its quality.

    Args:
        face: In pixels of the image.
        scaled: The image, perhaps at a smaller scale.
    """
    eyes = math.dist(face.landmarks["left_eye"], face.landmarks["right_eye"])
    quality = Quality(eyes, compute_frontalness(face.landmarks), compute_sharpness(face, scaled))
    return replace(with_roll(face), quality=quality)


def compute_frontalness(landmarks: Mapping[str, Point]) -> float:
    """Return 1 if the nose is midway between the eyes, down to 0 if it is beside one of them.

    The position is measured along the line of the eyes, so it does not depend on roll.
    """
    left, right, nose = (np.array(landmarks[name]) for name in ("left_eye", "right_eye", "nose"))
    line = right - left
    squared = float(line @ line)
    if not squared:  # both eyes in one place: a profile
        return 0.0
    along = float((nose - left) @ line) / squared  # 0 at the left eye, 1 at the right
    return max(0.0, 1 - abs(2 * along - 1))


def compute_sharpness(face: Face, scaled: ScaledImage) -> float:
    """Return the fine detail of a face relative to its contrast; 0 without any detail.

    This is the standard deviation of the Laplacian (Pech-Pacheco et al. 2000) divided by that of
    the grey values, of the box at ``SHARPNESS_SIDE_PX`` pixels per side. A blurred face has about
    0.1, a sharp one 0.5. Detail that scaling removed does not count.
    """
    grey = _crop_grey(face, scaled)  # (64, 64)
    contrast = float(grey.std())
    if not contrast:
        return 0.0
    middle = grey[1:-1, 1:-1]
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float((around - 4 * middle).std()) / contrast


def _crop_grey(face: Face, scaled: ScaledImage) -> NDArray[np.float64]:
    """Return the grey values of a face's box (64, 64)."""
    height, width = scaled.pixels.shape
    x, y = scaled.origin_xy
    x1, y1, x2, y2 = np.array(face.box) - (x, y, x, y)
    left, top = (
        min(int(low / scaled.factor), side - 1) for low, side in ((x1, width), (y1, height))
    )
    right, bottom = (math.ceil(high / scaled.factor) for high in (x2, y2))
    patch = Pillow.fromarray(
        unpack_rgb(scaled.pixels[top : max(bottom, top + 1), left : max(right, left + 1)])
    )
    size = SHARPNESS_SIDE_PX, SHARPNESS_SIDE_PX
    return np.asarray(patch.convert("L").resize(size, Pillow.Resampling.BILINEAR), np.float64)
