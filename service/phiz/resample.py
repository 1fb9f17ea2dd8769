"""Pictures at other sizes, for the square inputs of BlazeFace.

Positions are indices of pixels: the centre of the first pixel is at 0.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.faces import Image, Indices
from phiz.geometry import Letterbox
from phiz.picture import Raster, Reduced, rgb

Sampling: TypeAlias = Literal["reference", "half-pixel", "area"]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)


RED, RED_BLUE = np.uint32(0xFF), np.uint32(0xFF00FF)
BYTE, PAIR, PAIR_LOW = np.uint32(8), np.uint32(16), np.uint32(0xFFFF)


def letterbox(picture: Reduced, frame: Letterbox, sampling: Sampling) -> Image:
    """Return a picture in a black square (S, S, 3), uint8.

    Args:
        picture: The picture that ``frame`` was fitted to, perhaps at a smaller scale.
        frame: Where it lies in the square.
        sampling: ``reference`` is MediaPipe's on the CPU: bilinear, the square's pixel i
            at ``i · scale`` (to 1/32 of a pixel), blended with the black bars at the border.
            ``half-pixel`` is bilinear at the centres, ``(i + ½) · scale − ½`` (to 1/64).
            ``area`` is Pillow's bilinear reduction at the same centres, with a window that
            grows with the scale.
    """
    frame = _seen_from(picture, frame)
    if sampling == "area":
        return _averaged(picture.pixels, frame)
    height, width = picture.pixels.shape
    taps = _corner_taps if sampling == "reference" else _centre_taps
    return _bilinear(
        picture.pixels, taps(frame, frame.bar_y, height), taps(frame, frame.bar_x, width)
    )


def _seen_from(picture: Reduced, frame: Letterbox) -> Letterbox:
    """Return the letterbox in words of the reduced picture instead of pixels."""
    x, y = picture.origin_xy
    factor = picture.factor
    return Letterbox(
        frame.size, frame.scale / factor, (frame.bar_x + x) / factor, (frame.bar_y + y) / factor
    )


@dataclass(frozen=True, slots=True)
class Taps:
    """Which pixels of a line are mixed for those of the square's pixels that show picture.

    Attributes:
        size: Pixels of the square's line.
        shown: Which of them show picture, from the first to behind the last.
        places: (2, n), the two pixels of each.
        weights: (2, n), their weights in 1/steps, or 0 for black.
        steps: Of a weight of 1; the two of a pixel add up to that, or to less at the border.
    """

    size: int
    shown: slice
    places: Indices
    weights: NDArray[np.uint32]
    steps: int


# Pictures often come in one size, those of a camera always; a size's taps cost as much to
# compute as a third of the mixing.
@lru_cache(maxsize=64)
def _corner_taps(frame: Letterbox, bar: float, length: int) -> Taps:
    """Return the taps of MediaPipe's sampling.

    As OpenCV's warpPerspective does it: positions are rounded to 1/32 pixel, and what lies
    outside the picture is black. Of two equally near positions the later is taken here;
    there, the last bit of a matrix inversion decides.
    """
    first, weights = _mix(np.arange(frame.size) * frame.scale - bar, 32)  # (2, S) each
    return _shown(first, weights * ((first >= 0) & (first < length)), length, 32)


@lru_cache(maxsize=64)
def _centre_taps(frame: Letterbox, bar: float, length: int) -> Taps:
    """Return the taps at the centres.

    A centre inside the picture mixes only the picture, however near the border.
    """
    centre = (np.arange(frame.size) + 0.5) * frame.scale - bar  # (S,)
    places, weights = _mix(centre - 0.5, 64)  # (2, S) each
    return _shown(places, weights * ((centre >= 0) & (centre < length)), length, 64)


def _mix(position: NDArray[np.floating], steps: int) -> tuple[Indices, Indices]:
    """Return the two pixels (2, S) around each position (S,), and their weights (2, S)."""
    parts = np.floor(position * steps + 0.5).astype(np.intp)  # (S,)
    first, fraction = np.divmod(parts, steps)  # (S,) each
    return np.stack([first, first + 1]), np.stack([steps - fraction, fraction])


def _shown(places: Indices, weights: Indices, length: int, steps: int) -> Taps:
    shown = np.flatnonzero(weights.any(axis=0))  # (n,), without gaps
    inside = slice(int(shown[0]), int(shown[-1]) + 1) if shown.size else slice(0, 0)
    taps = Taps(
        size=weights.shape[1],
        shown=inside,
        places=np.clip(places[:, inside], 0, length - 1),
        weights=weights[:, inside].astype(np.uint32),
        steps=steps,
    )
    for shared in (taps.places, taps.weights):
        shared.flags.writeable = False
    return taps


def _bilinear(pixels: Raster, y: Taps, x: Taps) -> Image:
    """Return the picture (H, W) at taps of each axis, (S, S, 3), black elsewhere.

    Exactly, in whole numbers, two channels of a word at a time: a channel weighed along x has
    at most 14 bits (255 · 64), and weighed along both at most 20.
    """
    square = np.zeros((y.size, x.size, 3), np.uint8)
    one = y.steps * x.steps
    shape = y.places.shape[1], x.places.shape[1]  # (R, C)
    # Red, green, blue; half of one, so that cutting off the last bits rounds.
    mixed = [np.full(shape, one // 2, np.uint32) for _ in range(3)]
    # Where the scale is a whole number, all but one of the four weigh nothing.
    for rows, down in _weighty(y):
        for index, values in enumerate(_across(pixels[rows], x)):
            mixed[index] += values * down[:, None]  # (R, C)
    shift = np.uint32(one.bit_length() - 1)
    for index, channel in enumerate(mixed):
        square[y.shown, x.shown, index] = channel >> shift
    return square


def _across(strips: Raster, x: Taps) -> tuple[Raster, Raster, Raster]:
    """Return the channels of rows (R, W), each mixed at taps of x and not yet divided, (R, C)."""
    red_blue = np.zeros((len(strips), x.places.shape[1]), np.uint32)
    green = np.zeros_like(red_blue)
    for columns, weights in _weighty(x):
        taken = strips.take(columns, axis=1)  # (R, C)
        red_blue += (taken & RED_BLUE) * weights
        taken >>= BYTE
        green += (taken & RED) * weights
    return red_blue & PAIR_LOW, green, red_blue >> PAIR


def _weighty(taps: Taps) -> list[tuple[Indices, NDArray[np.uint32]]]:
    """Return those of the two taps (n,) that have any weight (n,)."""
    both = zip(taps.places, taps.weights, strict=True)
    return [(places, weights) for places, weights in both if weights.any()]


def _averaged(pixels: Raster, frame: Letterbox) -> Image:
    """Return the picture in its square by Pillow's antialiased bilinear reduction."""
    height, width = pixels.shape
    top, bottom, y_low, y_high = _inner(frame, frame.bar_y, height)
    left, right, x_low, x_high = _inner(frame, frame.bar_x, width)
    square = np.zeros((frame.size, frame.size, 3), np.uint8)
    if bottom > top and right > left:
        resized = Pillow.fromarray(rgb(pixels)).resize(
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
