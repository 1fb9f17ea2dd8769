"""Covers faces: the pixels of a region are replaced by a few means of them, or by black.

Regions are half-open, ``x1 y1 x2 y2`` in whole pixels of the image as it is stored. The strengths
were measured (``benchmarks/accuracy/covering.py``): of 224 covered faces, detectors find none again
under a mosaic, 4 under a blur and 9 under black. With twice as many blocks, one detector found
every fourth face again, because it reduces an image until the blocks are pixels.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.cancellation import checkpoint
from phiz.editing.encode import Picture
from phiz.editing.options import BlurOptions
from phiz.editing.stored import copy_stored, open_stored
from phiz.faces import Boxes, Face, RgbImage
from phiz.image.limits import DecodingLimits
from phiz.image.orientation import UPRIGHT_EXIF, to_stored_points
from phiz.options import BlurKind, PictureFormat

Region: TypeAlias = tuple[int, int, int, int]
Pixels: TypeAlias = NDArray[np.unsignedinteger[Any]]
"""(H, W) or (H, W, C)."""

_BLOCK_PER_SIDE: Final = 0.36  # of the longer side of a box
_MIN_BLOCK_PX: Final = 4
_SIGMA_PER_SIDE: Final = 0.9
_CELLS: Final = 48  # across a blurred region; its Gaussian is many of them wide
_BAND_ROWS: Final = 256
_OPAQUE: Final = 255
_BLACKS: Final[Mapping[str, tuple[int, ...]]] = {
    "L": (0,),
    "I;16": (0,),
    "LA": (0, _OPAQUE),
    "RGB": (0, 0, 0),
    "RGBX": (0, 0, 0, _OPAQUE),
    "RGBA": (0, 0, 0, _OPAQUE),
    "CMYK": (0, 0, 0, 255),
}
"""The value of each channel that means black, by mode of Pillow."""


def cover_faces(
    image_bytes: bytes,
    faces: Sequence[Face],
    options: BlurOptions,
    limits: DecodingLimits,
    picture_format: PictureFormat | None = None,
) -> Picture:
    """Return an image with its faces covered, and with its other pixels as they were.

    A JPEG without faces is not encoded anew, unless its format changes.

    Args:
        image_bytes: The file that the faces were found in.
        faces: In pixels of the upright image.
        options: How they are covered.
        limits: The limits on images.
        picture_format: Format of the result; None for that of the file, or PNG.

    Raises:
        ImageError: As ``open_stored``, ``copy_stored`` and ``StoredImage.encode``.
    """
    if not faces and (copied := copy_stored(image_bytes, limits, picture_format)) is not None:
        return copied
    stored = open_stored(image_bytes, limits, picture_format)
    image = stored.image
    for face in faces:
        checkpoint()
        region, side = find_region(face.box, options.grow, image.size, stored.orientation)
        if region[0] < region[2] and region[1] < region[3]:
            pixels = np.asarray(image.crop(region))
            covered = cover_pixels(pixels, side, options, _BLACKS[image.mode])
            image.paste(_to_image(covered, image.mode), region)
    return stored.encode(limits)


def cover_boxes(image: RgbImage, boxes: Boxes, options: BlurOptions) -> RgbImage:
    """Return a copy of an upright image (H, W, 3) with boxes (N, 4) covered."""
    covered = image.copy()
    height, width, _ = image.shape
    for box in boxes.tolist():
        checkpoint()
        (x1, y1, x2, y2), side = find_region(box, options.grow, (width, height), UPRIGHT_EXIF)
        if x1 < x2 and y1 < y2:
            part = covered[y1:y2, x1:x2]
            part[:] = cover_pixels(part, side, options, _BLACKS["RGB"])
    return covered


def _to_image(pixels: Pixels, mode: str) -> Pillow.Image:
    """Return pixels as an image of a mode that Pillow does not tell from their shape."""
    if mode in {"RGBX", "CMYK"}:
        height, width, _ = pixels.shape
        return Pillow.frombytes(mode, (width, height), pixels.tobytes())
    return Pillow.fromarray(pixels)


def find_region(
    box: Sequence[float], grow: float, size_wh: tuple[int, int], orientation: int
) -> tuple[Region, float]:
    """Return the region that covers a box, within the image, and the longer side of the box.

    Args:
        box: In pixels of the upright image.
        grow: Enlargement on each side, as a share of the longer side.
        size_wh: Size of the image as stored.
        orientation: Exif orientation of the stored image, 1 to 8.
    """
    corners = np.array(box, np.float64).reshape(2, 2)
    stored = to_stored_points(corners, size_wh, orientation)  # (2, 2)
    side = float(np.ptp(stored, axis=0).max())
    low = np.floor(stored.min(axis=0) - grow * side).clip(0)  # (2,)
    high = np.ceil(stored.max(axis=0) + grow * side).clip(max=size_wh)
    return (int(low[0]), int(low[1]), int(high[0]), int(high[1])), side


def cover_pixels(pixels: Pixels, side: float, options: BlurOptions, black: Sequence[int]) -> Pixels:
    """Return the pixels of a region as they are when they are covered, of the same type.

    Args:
        pixels: Of the region.
        side: Longer side of the box of its face.
        options: How it is covered.
        black: The value of each channel that means black.
    """
    if options.kind == "solid":
        return np.broadcast_to(np.array(black, pixels.dtype), pixels.shape).copy()
    stacked = pixels.reshape(*pixels.shape[:2], -1)  # (H, W, C)
    return _COVERS[options.kind](stacked, side).reshape(pixels.shape)


def _cover_with_mosaic(pixels: Pixels, side: float) -> Pixels:
    """Return the mean of each block in place of its pixels (H, W, C)."""
    block = max(_MIN_BLOCK_PX, math.ceil(_BLOCK_PER_SIDE * side))
    height, width = pixels.shape[:2]
    means = np.rint(_average_cells(pixels, block)).astype(pixels.dtype)  # (h, w, C)
    return means[np.arange(height)[:, None] // block, np.arange(width) // block]


def _cover_with_blur(pixels: Pixels, side: float) -> Pixels:
    """Return pixels (H, W, C) after a Gaussian, in which the border counts on outside."""
    height, width = pixels.shape[:2]
    cell = max(1, math.ceil(max(height, width) / _CELLS))
    sigma = max(_MIN_BLOCK_PX, _SIGMA_PER_SIDE * side) / cell
    cells = _average_cells(pixels, cell)  # (h, w, C)
    down, across = (_compute_gaussian(count, sigma) for count in cells.shape[:2])
    smooth = np.einsum("ij,jkc,lk->ilc", down, cells, across, optimize=True)  # (h, w, C)
    columns = _compute_interpolation(width, cell, smooth.shape[1])  # (W, w)
    wide = np.einsum("ijc,kj->ikc", smooth, columns)  # (h, W, C)
    rows = _compute_interpolation(height, cell, smooth.shape[0])  # (H, h)
    blurred = np.empty_like(pixels)
    for band in _iter_bands(height):
        blurred[band] = np.rint(np.einsum("ij,jkc->ikc", rows[band], wide, optimize=True))
    return blurred


_COVERS: Final[Mapping[BlurKind, Callable[[Pixels, float], Pixels]]] = {
    "mosaic": _cover_with_mosaic,
    "blur": _cover_with_blur,
}


def _iter_bands(rows: int) -> Iterator[slice]:
    for start in range(0, rows, _BAND_ROWS):
        checkpoint()
        yield slice(start, start + _BAND_ROWS)


def _average_cells(pixels: Pixels, cell: int) -> NDArray[np.float32]:
    """Return the mean of each square of pixels (H, W, C); those at the far ends may be smaller."""
    height, width = pixels.shape[:2]
    tops, lefts = np.arange(0, height, cell), np.arange(0, width, cell)
    sums = np.add.reduceat(pixels, tops, axis=0, dtype=np.uint64)  # (h, W, C)
    sums = np.add.reduceat(sums, lefts, axis=1)  # (h, w, C)
    rows, columns = np.diff(tops, append=height), np.diff(lefts, append=width)
    means: NDArray[np.float32] = (sums / np.outer(rows, columns)[..., None]).astype(np.float32)
    return means


def _compute_gaussian(count: int, sigma: float) -> NDArray[np.float32]:
    """Return the weights of each cell for each cell (count, count)."""
    reach = math.ceil(3 * sigma)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = np.zeros((count, count), np.float32)
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        sources = (np.arange(count) + offset).clip(0, count - 1)
        matrix[np.arange(count), sources] += np.float32(weight)
    return matrix


def _compute_interpolation(pixels: int, cell: int, count: int) -> NDArray[np.float32]:
    """Return the weights of each of ``count`` cells for each pixel (pixels, count), bilinear."""
    places = ((np.arange(pixels) + 0.5) / cell - 0.5).clip(0, count - 1)
    low = np.floor(places).astype(np.intp).clip(max=max(0, count - 2))
    share = (places - low).astype(np.float32)
    matrix = np.zeros((pixels, count), np.float32)
    matrix[np.arange(pixels), low] = 1 - share
    matrix[np.arange(pixels), np.minimum(low + 1, count - 1)] += share
    return matrix
