"""Cuts faces out of an image, as squares of one size: around the box, or with level eyes.

Coordinates are continuous: a pixel covers the square from its number to the next. A crop has a
similarity transform, ``(2, 3)``, from pixels of the upright image to pixels of the crop.

With ``align="eyes"`` the transform moves both eyes to their places in ``EYES_TEMPLATE``. These are
the eyes of ArcFace's 112 × 112 template (Deng et al. 2019), made level and symmetric, which moves
them by 0.2 pixels, so that networks which were trained on it can take the crops.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.cancellation import checkpoint
from phiz.editing.encode import to_pillow
from phiz.editing.options import CropOptions
from phiz.faces import Face
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.options import Align

EYES_TEMPLATE: Final = ((0.342, 0.461), (0.658, 0.461))
"""Left and right eye, as shares of the side of a crop without margin."""
DEFAULT_MARGINS: Final[dict[Align, float]] = {"none": 0.1, "eyes": 0.0}
# The eyes of a profile nearly coincide, and would be enlarged without limit. They are taken as no
# closer than this share of the box, and then the crop is not aligned.
_MIN_EYES_SHARE: Final = 0.12
_FILTER_RADIUS: Final = 3  # pixels that a bicubic filter reads beside a point, and one more
_MIN_SIDE_PX: Final = 1.0

Transform: TypeAlias = NDArray[np.float64]
"""(2, 3), from pixels of the upright image to pixels of a crop."""


@dataclass(frozen=True, slots=True)
class FaceCrop:
    """The crop of a face.

    Attributes:
        image: In mode RGB, a square. It is black outside the image.
        transform: From the image to it.
        align: ``none`` if the eyes are too close to each other.
    """

    image: Pillow.Image
    transform: Transform
    align: Align


def crop_faces(image: LazyImage, faces: Sequence[Face], options: CropOptions) -> list[FaceCrop]:
    """Return the crop of each face.

    Args:
        image: The upright image.
        faces: In its pixels.
        options: Size and alignment.

    Raises:
        ImageError: The pixels cannot be decoded within the limits.
    """
    transforms = [compute_transform(face, options) for face in faces]
    if not transforms:
        return []
    # A crop that is smaller than its face needs no pixels at full scale.
    scale = max(_compute_scale(transform) for transform, _ in transforms)
    scaled = image.decode_scaled(min(1.0, scale) * max(image.width, image.height))
    crops = []
    for transform, align in transforms:
        checkpoint()
        crops.append(FaceCrop(_sample(scaled, transform, options.size), transform, align))
    return crops


def compute_transform(face: Face, options: CropOptions) -> tuple[Transform, Align]:
    """Return the transform of a face's crop, and how it is aligned."""
    if options.align == "eyes" and (eyes := _find_eyes(face)) is not None:
        return _align_eyes(eyes, options.size, _get_margin(options, "eyes")), "eyes"
    return _frame_box(face, options.size, _get_margin(options, "none")), "none"


def _get_margin(options: CropOptions, align: Align) -> float:
    return DEFAULT_MARGINS[align] if options.margin is None else options.margin


def _find_eyes(face: Face) -> NDArray[np.float64] | None:
    """Return left and right eye (2, 2), or None if they are too close to each other."""
    eyes = np.array([face.landmarks["left_eye"], face.landmarks["right_eye"]])  # (2, 2)
    x1, y1, x2, y2 = face.box
    least_px = _MIN_EYES_SHARE * max(x2 - x1, y2 - y1, _MIN_SIDE_PX)
    return eyes if math.dist(*eyes) >= least_px else None


def _align_eyes(eyes: NDArray[np.float64], size: int, margin: float) -> Transform:
    """Return the similarity transform from two eyes (2, 2) to their places in the template."""
    places = size * (np.array(EYES_TEMPLATE) + margin) / (1 + 2 * margin)  # (2, 2)
    # As complex numbers, a similarity is one multiplication and one addition.
    source, target = (points[:, 0] + 1j * points[:, 1] for points in (eyes, places))
    factor = (target[1] - target[0]) / (source[1] - source[0])
    shift = target[0] - factor * source[0]
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )


def _frame_box(face: Face, size: int, margin: float) -> Transform:
    """Return the transform from a square around the middle of a box."""
    x1, y1, x2, y2 = face.box
    scale = size / (max(x2 - x1, y2 - y1, _MIN_SIDE_PX) * (1 + 2 * margin))
    return np.array(
        [
            [scale, 0.0, size / 2 - scale * (x1 + x2) / 2],
            [0.0, scale, size / 2 - scale * (y1 + y2) / 2],
        ]
    )


def _compute_scale(transform: Transform) -> float:
    return math.hypot(transform[0, 0], transform[1, 0])


def _sample(scaled: ScaledImage, transform: Transform, size: int) -> Pillow.Image:
    """Return the crop of an image. Pixels are averaged before they are sampled more sparsely."""
    to_image = _invert(transform)
    # From pixels of the crop to words of the scaled image.
    to_words = to_image / scaled.factor
    to_words[:, 2] -= np.array(scaled.origin_xy) / scaled.factor
    reduction = max(1, math.floor(_compute_scale(to_words)))
    box = _find_source(to_words, size, _FILTER_RADIUS * reduction, scaled.pixels.shape)
    if box is None:
        return Pillow.new("RGB", (size, size))
    left, top, right, bottom = box
    region = to_pillow(scaled.pixels[top:bottom, left:right])
    to_words[:, 2] -= (left, top)
    return region.reduce(reduction).transform(
        (size, size),
        Pillow.Transform.AFFINE,
        tuple((to_words / reduction).ravel()),
        Pillow.Resampling.BICUBIC,
    )


def _invert(transform: Transform) -> Transform:
    linear = np.linalg.inv(transform[:, :2])
    return np.concatenate([linear, -linear @ transform[:, 2:]], axis=1)


def _find_source(
    to_words: Transform, size: int, border: int, shape_hw: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    """Return the words of an image that a crop shows, with a border, or None if it shows none."""
    corners = np.array([[0, 0], [size, 0], [0, size], [size, size]], np.float64)  # (4, 2)
    places = corners @ to_words[:, :2].T + to_words[:, 2]  # (4, 2)
    low = np.floor(places.min(axis=0) - border).clip(0)  # (2,)
    high = np.ceil(places.max(axis=0) + border).clip(max=shape_hw[::-1])
    (left, top), (right, bottom) = low, high
    if left >= right or top >= bottom:
        return None
    return int(left), int(top), int(right), int(bottom)
