"""Pictures at other sizes, for the square inputs of BlazeFace.

Positions are indices of pixels: the centre of the first pixel is at 0.
"""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.faces import Image
from phiz.geometry import Letterbox

Sampling: TypeAlias = Literal["reference", "half-pixel", "area"]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)

Indices = NDArray[np.intp]
Weights = NDArray[np.float32]


def letterbox(image: Image, frame: Letterbox, sampling: Sampling) -> Image:
    """Return a picture (H, W, 3) in a black square (S, S, 3), uint8.

    Args:
        image: The picture that ``frame`` was fitted to.
        frame: Where it lies in the square.
        sampling: ``reference`` is MediaPipe's on the CPU: bilinear, the square's pixel i
            at ``i · scale`` (to 1/32 of a pixel), blended with the black bars at the border.
            ``half-pixel`` is bilinear at the centres, ``(i + ½) · scale − ½``. ``area`` is
            Pillow's bilinear reduction at the same centres, with a window that grows with
            the scale.
    """
    if sampling == "area":
        return _reduced(image, frame)
    height, width, _ = image.shape
    taps = _corner_taps if sampling == "reference" else _centre_taps
    y, y_weights = taps(frame, frame.bar_y, height)  # (2, S) each
    x, x_weights = taps(frame, frame.bar_x, width)  # (2, S) each
    return _bilinear(image, y, y_weights, x, x_weights)  # (S, S, 3)


def _corner_taps(frame: Letterbox, bar: float, length: int) -> tuple[Indices, Weights]:
    """Return the two pixels (2, S) that each of the square's pixels mixes, and their weights.

    As OpenCV's warpPerspective does it for MediaPipe: positions are rounded to 1/32 pixel,
    and what lies outside the picture is black. Of two equally near positions the later is
    taken here; there, the last bit of a matrix inversion decides.
    """
    position = np.arange(frame.size) * frame.scale - bar  # (S,)
    position = np.floor(position * 32 + 0.5) / 32  # (S,)
    taps, weights = _mix(position)  # (2, S) each
    weights *= (taps >= 0) & (taps < length)
    return np.clip(taps, 0, length - 1), weights


def _centre_taps(frame: Letterbox, bar: float, length: int) -> tuple[Indices, Weights]:
    """Return the two pixels (2, S) that each of the square's pixels mixes, and their weights.

    A centre inside the picture mixes only the picture, however near the border.
    """
    centre = (np.arange(frame.size) + 0.5) * frame.scale - bar  # (S,)
    taps, weights = _mix(centre - 0.5)  # (2, S) each
    weights *= (centre >= 0) & (centre < length)
    return np.clip(taps, 0, length - 1), weights


def _mix(position: NDArray[np.floating]) -> tuple[Indices, Weights]:
    first = np.floor(position).astype(np.intp)  # (S,)
    fraction = (position - first).astype(np.float32)  # (S,)
    return np.stack([first, first + 1]), np.stack([1 - fraction, fraction])  # (2, S) each


def _bilinear(
    image: Image, y: Indices, y_weights: Weights, x: Indices, x_weights: Weights
) -> Image:
    """Return the picture at taps (2, S) of each axis, (S, S, 3), black where weights are 0."""
    rows = np.flatnonzero(y_weights.any(axis=0))  # (R,) rows of the square that show picture
    columns = np.flatnonzero(x_weights.any(axis=0))  # (C,)
    strips = image[y[:, rows]]  # (2, R, W, 3): whole rows are cheap to copy
    pixels = np.take(strips, x[:, columns], axis=2)  # (2, R, 2, C, 3)
    across = x_weights[:, columns, None]  # (2, C, 1)
    mixed = pixels[:, :, 0] * across[0] + pixels[:, :, 1] * across[1]  # (2, R, C, 3)
    down = y_weights[:, rows, None, None]  # (2, R, 1, 1)
    values = mixed[0] * down[0] + mixed[1] * down[1]  # (R, C, 3)
    square = np.zeros((y.shape[1], x.shape[1], 3), np.uint8)
    # Weights add up to 1, so that rounding by + ½ stays within 255.
    square[rows[:, None], columns] = (values + np.float32(0.5)).astype(np.uint8)
    return square


def _reduced(image: Image, frame: Letterbox) -> Image:
    """Return the picture in its square by Pillow's antialiased bilinear reduction."""
    height, width, _ = image.shape
    top, bottom, y_low, y_high = _inner(frame, frame.bar_y, height)
    left, right, x_low, x_high = _inner(frame, frame.bar_x, width)
    square = np.zeros((frame.size, frame.size, 3), np.uint8)
    if bottom > top and right > left:
        resized = Pillow.fromarray(image).resize(
            (right - left, bottom - top),
            Pillow.Resampling.BILINEAR,
            box=(x_low, y_low, x_high, y_high),
        )
        square[top:bottom, left:right] = np.asarray(resized)
    return square


def _inner(frame: Letterbox, bar: float, length: int) -> tuple[int, int, float, float]:
    """Return which pixels of the square lie wholly in the picture, and the part they cover.

    Pillow resizes a part of the picture to whole pixels: the outermost ones, which the bar
    shares, stay black so that all others lie exactly where the letterbox says.
    """
    first = int(np.ceil(bar / frame.scale - 1e-6))
    last = int(np.floor((bar + length) / frame.scale + 1e-6))
    low = max(0.0, first * frame.scale - bar)
    return first, last, low, min(float(length), last * frame.scale - bar)
