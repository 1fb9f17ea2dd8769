"""Pictures at other sizes, for the square inputs of BlazeFace.

Positions are indices of pixels: the centre of the first pixel is at 0.
"""

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.boxes.geometry import Letterbox
from phiz.faces import Image, Indices
from phiz.image.lazy import Reduced
from phiz.image.pixels import Raster, rgb

Sampling: TypeAlias = Literal["reference", "half-pixel", "area"]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)


RED_BLUE, GREEN = np.uint32(0xFF00FF), np.uint32(0x00FF00)
PAIR, PAIR_LOW = np.uint32(16), np.uint32(0xFFFF)
BYTE_BITS = 8
HIGHEST = 3 if sys.byteorder == "little" else 0  # of a word's bytes


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
        places: (T, n), the two pixels of each, or one where the second weighs nothing in all.
        weights: (T, n), their weights in 1/steps, or 0 for black.
        steps: Of a weight of 1; those of a pixel add up to that, or to less at the border.
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
    # Where the scale is a whole number, one of the two weighs nothing.
    telling = [tap for tap in range(2) if weights[tap].any()] or [0]
    taps = Taps(
        size=weights.shape[1],
        shown=inside,
        places=np.clip(places[telling, inside], 0, length - 1),
        weights=weights[telling, inside].astype(np.uint32),
        steps=steps,
    )
    for shared in (taps.places, taps.weights):
        shared.flags.writeable = False
    return taps


def _bilinear(pixels: Raster, y: Taps, x: Taps) -> Image:
    """Return the picture (H, W) at taps of each axis, (S, S, 3), black elsewhere.

    Exactly, in whole numbers: a channel weighed along x has at most 14 bits (255 · 64), and
    weighed along both at most 20. The weights along y are shifted so far that what would be
    cut off is all but the highest byte of a word, which is then taken as it is.
    """
    square = np.zeros((y.size, x.size, 3), np.uint8)
    spare = 32 - BYTE_BITS - (y.steps * x.steps).bit_length() + 1
    half = np.uint32(1 << 32 - BYTE_BITS - 1)  # cutting off then rounds
    strips = pixels[y.places]  # (T, R, W)
    for index, (across, shift) in enumerate(_across(strips, x)):  # red, green, blue
        weighed = across * (y.weights << np.uint32(spare - shift))[..., None]  # (T, R, C)
        mixed = weighed[0]  # (R, C)
        for other in weighed[1:]:
            mixed += other
        mixed += half
        square[y.shown, x.shown, index] = mixed.view(np.uint8)[:, HIGHEST::4]
    return square


def _across(strips: Raster, x: Taps) -> list[tuple[Raster, int]]:
    """Return the channels of rows (…, W), each mixed at taps of x, not yet divided, (…, C).

    Two channels of a word at a time, and green where it is; with each comes by how many bits
    it is shifted.
    """
    shape = *strips.shape[:-1], x.places.shape[1]
    red_blue, green = np.zeros(shape, np.uint32), np.zeros(shape, np.uint32)
    for columns, weights in zip(x.places, x.weights, strict=True):
        taken = strips.take(columns, axis=-1)  # (…, C)
        red_blue += (taken & RED_BLUE) * weights
        taken &= GREEN
        taken *= weights
        green += taken
    return [(red_blue & PAIR_LOW, 0), (green, BYTE_BITS), (red_blue >> PAIR, 0)]


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
