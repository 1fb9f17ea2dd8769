"""Resizes images for the inputs of the networks.

Positions are pixel indices: the centre of the first pixel is at 0.
"""

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.boxes.geometry import Letterbox
from phiz.faces import Indices, RgbImage
from phiz.image.lazy import ScaledImage
from phiz.image.pixels import PackedPixels, unpack_rgb

Sampling: TypeAlias = Literal["reference", "half-pixel", "area"]
SAMPLINGS: tuple[Sampling, ...] = get_args(Sampling)


RED_BLUE_MASK, GREEN_MASK = np.uint32(0xFF00FF), np.uint32(0x00FF00)
PAIR_SHIFT, PAIR_LOW_MASK = np.uint32(16), np.uint32(0xFFFF)
BYTE_BITS = 8
BAND_PX = 1 << 15  # of the output, whose words are mixed together
HIGHEST_BYTE = 3 if sys.byteorder == "little" else 0  # of a word's bytes


def letterbox_image(scaled: ScaledImage, letterbox: Letterbox, sampling: Sampling) -> RgbImage:
    """Return an image in a black square (S, S, 3), uint8.

    Args:
        scaled: The image of ``letterbox``, perhaps at a smaller scale.
        letterbox: Its place in the square.
        sampling: ``reference`` is MediaPipe's on the CPU: bilinear, the square's pixel i
            at ``i · scale`` (to 1/32 of a pixel), blended with the black bars at the border.
            ``half-pixel`` is bilinear at the centres, ``(i + ½) · scale − ½`` (to 1/64).
            ``area`` is Pillow's bilinear reduction at the same centres, with a window that
            grows with the scale.
    """
    letterbox = _scale_letterbox(scaled, letterbox)
    return _resize(scaled.pixels, letterbox, letterbox, sampling)


def fit_image(
    scaled: ScaledImage, scale: float, shape_hw: tuple[int, int], sampling: Sampling
) -> RgbImage:
    """Return an image in the upper left corner of a black rectangle (H, W, 3), uint8.

    Args:
        scaled: The image, perhaps at a smaller scale.
        scale: Pixels of the image at full scale for one of the rectangle.
        shape_hw: H and W.
        sampling: As for ``letterbox_image``.
    """
    rows, columns = (_scale_letterbox(scaled, Letterbox(side, scale, 0, 0)) for side in shape_hw)
    if scale == scaled.factor and not any(scaled.origin_xy):
        height, width = scaled.pixels.shape
        if shape_hw == (height, width):
            return unpack_rgb(scaled.pixels)
        rectangle = np.zeros((*shape_hw, 3), np.uint8)
        rectangle[:height, :width] = unpack_rgb(scaled.pixels)
        return rectangle
    return _resize(scaled.pixels, rows, columns, sampling)


def _resize(
    pixels: PackedPixels, rows: Letterbox, columns: Letterbox, sampling: Sampling
) -> RgbImage:
    """Return an image (H, W) in a rectangle, whose rows and columns have their own letterbox."""
    if sampling == "area":
        return _resize_area(pixels, rows, columns)
    height, width = pixels.shape
    taps = _compute_corner_taps if sampling == "reference" else _compute_centre_taps
    return _resize_bilinear(
        pixels, taps(rows, rows.pad_y_px, height), taps(columns, columns.pad_x_px, width)
    )


def _scale_letterbox(scaled: ScaledImage, letterbox: Letterbox) -> Letterbox:
    """Return the letterbox in words of the scaled image."""
    x, y = scaled.origin_xy
    factor = scaled.factor
    return Letterbox(
        letterbox.size,
        letterbox.scale / factor,
        (letterbox.pad_x_px + x) / factor,
        (letterbox.pad_y_px + y) / factor,
    )


@dataclass(frozen=True, slots=True)
class Taps:
    """The source pixels and weights of each pixel of a line of the square.

    Attributes:
        size: Pixels of the line.
        visible: The pixels that show the image.
        indices: (T, n), two source pixels each, or one if the second weight is always 0.
        weights: (T, n), their weights in 1/steps, or 0 for black.
        unit_weight: The weight of 1. The weights of a pixel add up to it, or to less at the border.
    """

    size: int
    visible: slice
    indices: Indices
    weights: NDArray[np.uint32]
    unit_weight: int


# Images often have one size, such as those of a camera. Computing the taps of a size costs a
# third of the mixing.
@lru_cache(maxsize=64)
def _compute_corner_taps(letterbox: Letterbox, pad_px: float, length: int) -> Taps:
    """Return the taps of MediaPipe's sampling.

    Like OpenCV's warpPerspective, it rounds positions to 1/32 pixel, and pixels outside the image
    are black. Ties go to the later position here; in OpenCV the last bit of a matrix inversion
    decides.
    """
    first, weights = _compute_neighbours(
        np.arange(letterbox.size) * letterbox.scale - pad_px, 32
    )  # (2, S) each
    return _build_taps(first, weights * ((first >= 0) & (first < length)), length, 32)


@lru_cache(maxsize=64)
def _compute_centre_taps(letterbox: Letterbox, pad_px: float, length: int) -> Taps:
    """Return the taps at the pixel centres.

    A centre inside the image mixes only pixels of the image, even near the border.
    """
    centre = (np.arange(letterbox.size) + 0.5) * letterbox.scale - pad_px  # (S,)
    places, weights = _compute_neighbours(centre - 0.5, 64)  # (2, S) each
    return _build_taps(places, weights * ((centre >= 0) & (centre < length)), length, 64)


def _compute_neighbours(
    position: NDArray[np.floating], unit_weight: int
) -> tuple[Indices, Indices]:
    """Return the two pixels (2, S) around each position (S,), and their weights (2, S)."""
    parts = np.floor(position * unit_weight + 0.5).astype(np.intp)  # (S,)
    first, fraction = np.divmod(parts, unit_weight)  # (S,) each
    return np.stack([first, first + 1]), np.stack([unit_weight - fraction, fraction])


def _build_taps(indices: Indices, weights: Indices, length: int, unit_weight: int) -> Taps:
    shown = np.flatnonzero(weights.any(axis=0))  # (n,), without gaps
    inside = slice(int(shown[0]), int(shown[-1]) + 1) if shown.size else slice(0, 0)
    # If the scale is a whole number, one of the two weights is 0.
    used = [tap for tap in range(2) if weights[tap].any()] or [0]
    taps = Taps(
        size=weights.shape[1],
        visible=inside,
        indices=np.clip(indices[used, inside], 0, length - 1),
        weights=weights[used, inside].astype(np.uint32),
        unit_weight=unit_weight,
    )
    for shared in (taps.indices, taps.weights):
        shared.flags.writeable = False
    return taps


def _resize_bilinear(pixels: PackedPixels, y: Taps, x: Taps) -> RgbImage:
    """Return the image (H, W) at the taps of both axes, (S, S, 3), black elsewhere."""
    square = np.zeros((y.size, x.size, 3), np.uint8)
    visible = square[y.visible, x.visible]  # (R, C, 3)
    rows, columns, _ = visible.shape
    # Bands stay in the cache from one operation to the next, which is up to five times as fast.
    step = max(1, BAND_PX // max(columns, 1))
    for top in range(0, rows, step):
        _mix_band(pixels, y, x, visible[top : top + step], top)
    return square


def _mix_band(pixels: PackedPixels, y: Taps, x: Taps, band: RgbImage, top: int) -> None:
    """Write the rows of a band (R, C, 3) that begins at row ``top`` of the visible ones.

    The arithmetic is exact, in whole numbers. A channel weighted along x has at most 14 bits
    (255 · 64), and weighted along both axes at most 20. The weights along y are shifted so that
    the result is the highest byte of a word.
    """
    spare = 32 - BYTE_BITS - (y.unit_weight * x.unit_weight).bit_length() + 1
    half = np.uint32(1 << 32 - BYTE_BITS - 1)  # cutting off then rounds
    indices = y.indices[:, top : top + len(band)]  # (T, R)
    weights = y.weights[:, top : top + len(band), None]  # (T, R, 1)
    first, end = int(indices.min()), int(indices.max()) + 1
    if end - first < indices.size:  # neighbours share source rows, which are mixed once
        strips, places = pixels[first:end], indices - first
    else:
        strips, places = pixels[indices], None
    for channel, (across, shift) in enumerate(_mix_columns(strips, x)):  # red, green, blue
        lines = across if places is None else across[places]  # (T, R, C)
        weighted = lines * (weights << np.uint32(spare - shift))  # (T, R, C)
        mixed = weighted[0]  # (R, C)
        for other in weighted[1:]:
            mixed += other
        mixed += half
        band[..., channel] = mixed.view(np.uint8)[:, HIGHEST_BYTE::4]


def _mix_columns(strips: PackedPixels, x: Taps) -> list[tuple[PackedPixels, int]]:
    """Return the channels of rows (…, W) mixed at the taps of x, undivided, (…, C).

    Red and blue are mixed together in one word, and green in its place. Each comes with the bits
    of its shift.
    """
    red_blue = green = None
    for columns, weights in zip(x.indices, x.weights, strict=True):
        taken = strips.take(columns, axis=-1)  # (…, C)
        pairs = taken & RED_BLUE_MASK
        pairs *= weights
        taken &= GREEN_MASK
        taken *= weights
        if red_blue is None or green is None:
            red_blue, green = pairs, taken
        else:
            red_blue += pairs
            green += taken
    assert red_blue is not None
    assert green is not None, "each line has a tap"
    return [(red_blue & PAIR_LOW_MASK, 0), (green, BYTE_BITS), (red_blue >> PAIR_SHIFT, 0)]


def _resize_area(pixels: PackedPixels, rows: Letterbox, columns: Letterbox) -> RgbImage:
    """Return the image in its rectangle, by Pillow's antialiased bilinear reduction."""
    height, width = pixels.shape
    top, bottom, y_low, y_high = _find_inner_pixels(rows, rows.pad_y_px, height)
    left, right, x_low, x_high = _find_inner_pixels(columns, columns.pad_x_px, width)
    square = np.zeros((rows.size, columns.size, 3), np.uint8)
    if bottom > top and right > left:
        resized = Pillow.fromarray(unpack_rgb(pixels)).resize(
            (right - left, bottom - top),
            Pillow.Resampling.BILINEAR,
            box=(x_low, y_low, x_high, y_high),
        )
        square[top:bottom, left:right] = np.asarray(resized)
    return square


def _find_inner_pixels(
    letterbox: Letterbox, pad_px: float, length: int
) -> tuple[int, int, float, float]:
    """Return the pixels of the square that lie wholly in the image, and the part they cover.

    Pillow resizes a part of the image to whole pixels. The outermost pixels, which overlap the
    bar, stay black, so that all others lie exactly at their place in the letterbox.
    """
    first = int(np.ceil(pad_px / letterbox.scale - 1e-6))
    last = int(np.floor((pad_px + length) / letterbox.scale + 1e-6))
    low = max(0.0, first * letterbox.scale - pad_px)
    return first, last, low, min(float(length), last * letterbox.scale - pad_px)
