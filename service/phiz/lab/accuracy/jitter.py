"""Jitter: movement of predictions where the face does not move, in distances of the eyes.

The measure of BlazeFace (Bazarevsky et al. 2019, section 3.4): a picture is moved by a few
pixels, the predictions are moved back, and the mean squared difference from the predictions
for the picture as it was is taken. Over the squared distance of the eyes (IOD²) it does not
depend on the size of the face; its square root is in parts of that distance. Predictions are
x and y of the two corners of the box and of every landmark.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.faces import Boxes, Face, RgbImage
from phiz.lab.accuracy.alignment import find_nearest_face, get_points, measure_eye_distance
from phiz.lab.accuracy.precision import FloatArray

Shifts: TypeAlias = NDArray[np.int64]
"""(S, 2), right and down, pixels."""

MAX_SHIFT_PX: Final = 8  # pixels each way


@dataclass(frozen=True, slots=True)
class Jitter:
    """Differences of the predictions for one face.

    Attributes:
        square: Mean squared difference over squared distance of the eyes; NaN if the face was
            not found twice.
        lost: How often the face was not found although it was found in the picture as it was.
    """

    square: float
    lost: int


def sample_shifts(count: int) -> Shifts:
    """Return shifts (S, 2) of up to ``MAX_SHIFT_PX`` pixels each way, the same for a count."""
    random = np.random.default_rng(0)
    places = 2 * MAX_SHIFT_PX + 1
    chosen = random.choice(places**2 - 1, count, replace=False)
    chosen += chosen >= places**2 // 2  # the middle one is no shift
    return np.stack([chosen % places, chosen // places], axis=1) - MAX_SHIFT_PX


def shift_image(image: RgbImage, right: int, down: int) -> RgbImage:
    """Return a picture (H, W, 3) moved within its frame; its border fills the gap."""
    height, width, _ = image.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    moved: RgbImage = image[rows[:, None], columns]  # (H, W, 3)
    return moved


def encode_bmp(image: RgbImage) -> bytes:
    """Return a picture (H, W, 3) as a file that decodes to the same pixels."""
    file = BytesIO()
    Pillow.fromarray(image).save(file, "BMP")
    return file.getvalue()


def measure_face_jitter(
    box: Boxes,
    iod: float,
    faces: Sequence[Face],
    moved: Sequence[tuple[Sequence[Face], NDArray[np.int64]]],
) -> Jitter:
    """Return the jitter of one face.

    Args:
        box: (4,), of the face, labelled.
        iod: The distance of its eyes, pixels.
        faces: Faces of the picture as it was.
        moved: Faces of each moved picture, and its shift (2,), pixels.
    """
    expected = find_nearest_face(box, faces)
    if expected is None:
        return Jitter(float("nan"), 0)
    again = [
        (find_nearest_face(box + np.tile(shift, 2).astype(np.float32), found), shift)
        for found, shift in moved
    ]
    squares = [
        compute_mean_square(expected, face, shift) for face, shift in again if face is not None
    ]
    square = float(np.mean(squares)) / iod**2 if squares else float("nan")
    return Jitter(square, len(again) - len(squares))


def measure_film_steps(faces: Sequence[Face | None]) -> FloatArray:
    """Return the mean squared difference of each two successive frames over IOD², (T,).

    IOD is the median of what was found. A frame without a face is compared with no other.

    Args:
        faces: Of each frame, the best.
    """
    found = [face for face in faces if face is not None]
    iod = (
        float(np.median([measure_eye_distance(get_points(face)) for face in found]))
        if found
        else 1.0
    )
    steps = [
        compute_mean_square(one, other)
        for one, other in pairwise(faces)
        if one is not None and other is not None
    ]
    return np.array(steps, float) / iod**2


def compute_mean_square(
    one: Face, other: Face, shift: Sequence[int] | NDArray[np.int64] = (0, 0)
) -> float:
    """Return the mean squared difference of the predictions for two faces, pixels².

    Compared are x and y of the corners of the box and of the landmarks that both have.

    Args:
        one: A face.
        other: The face to compare it with.
        shift: (2,), of the second face's picture, which is subtracted.
    """
    shared = [name for name in one.landmarks if name in other.landmarks]
    first, second = (
        np.array([face.box[:2], face.box[2:], *(face.landmarks[name] for name in shared)], float)
        for face in (one, other)
    )  # (K, 2) each
    return float(np.square(second - first - shift).mean())
