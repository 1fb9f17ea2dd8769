"""A picture as detectors take it: its size at once, its pixels at the scale they ask for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from phiz.faces import RgbImage
from phiz.image.orientation import (
    FLIPPED_X,
    FLIPPED_Y,
    apply_orientation,
    compute_upright_origin,
    to_upright_size,
)
from phiz.image.pixels import PackedPixels, pack_pixels, pack_rgbx

SCALE_FACTORS = (8, 4, 2, 1)  # what JPEG's cosine transform can be undone at


@dataclass(frozen=True, slots=True)
class ScaledImage:
    """A picture at full scale, or at a half, a quarter or an eighth of it.

    Attributes:
        pixels: (h, w); each word covers factor × factor pixels of the picture.
        factor: 1, 2, 4 or 8.
        origin_xy: Where the corner of the first word lies, pixels of the picture. It is 0, or
            up to ``factor - 1`` pixels outside where that side was the last in the file.
    """

    pixels: PackedPixels
    factor: int = 1
    origin_xy: tuple[int, int] = (0, 0)


class LazyImage:
    """A picture whose header has been read; for one thread at a time.

    Attributes:
        width: Pixels, upright.
        height: Pixels, upright.
    """

    __slots__ = ("_decode", "_full_only", "_scaled_by_factor", "height", "width")

    def __init__(self, size_wh: tuple[int, int], decode: Callable[[int], ScaledImage]) -> None:
        """Keep what reads the pixels, by a factor that it may fall short of."""
        self.width, self.height = size_wh
        self._decode = decode
        self._scaled_by_factor: dict[int, ScaledImage] = {}
        self._full_only: ScaledImage | None = None

    @classmethod
    def from_array(cls, image: RgbImage) -> "LazyImage":
        """Return an image (H, W, 3) as a picture."""
        return cls.from_packed(pack_pixels(image))

    @classmethod
    def from_packed(cls, pixels: PackedPixels) -> "LazyImage":
        """Return packed pixels (H, W) as a picture."""
        return cls((pixels.shape[1], pixels.shape[0]), lambda _: ScaledImage(pixels))

    def decode_full(self) -> PackedPixels:
        """Return the picture (H, W) at full scale.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        return self._get_scaled(1).pixels

    def decode_scaled(self, min_side_px: float) -> ScaledImage:
        """Return the picture at the smallest scale whose longer side has ``min_side_px`` pixels.

        It is at full scale if it is smaller than that. Of a format without scales, blocks of
        pixels are averaged, as a JPEG's transform does: samples taken further apart than its
        pixels would miss some, and others as the picture moves.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        longer = max(self.width, self.height)
        return self._get_scaled(
            next((factor for factor in SCALE_FACTORS if longer >= min_side_px * factor), 1)
        )

    def get_finest_scale(self) -> ScaledImage:
        """Return the picture at the largest scale that has been read.

        Raises:
            ImageError: None has been, and the pixels cannot be decoded.
        """
        return self._get_scaled(min(self._scaled_by_factor, default=1))

    def rotate_to_upright(self, orientation: int) -> "LazyImage":
        """Return the picture as one that is stored in that Exif orientation, 1 to 8, upright."""
        size_wh = self.width, self.height
        return LazyImage(
            to_upright_size(size_wh, orientation),
            lambda factor: _orient_scaled(self._get_scaled(factor), size_wh, orientation),
        )

    def _get_scaled(self, factor: int) -> ScaledImage:
        if factor not in self._scaled_by_factor:
            decoded = self._full_only or self._decode(factor)
            if decoded.factor != factor:  # of a format without scales: what there is serves for all
                self._full_only = self._scaled_by_factor[decoded.factor] = decoded
                decoded = average_blocks(decoded, factor)
            self._scaled_by_factor[factor] = decoded
        return self._scaled_by_factor[factor]


def average_blocks(full: ScaledImage, factor: int) -> ScaledImage:
    """Return a picture at full scale scaled to the means of factor × factor pixels, rounded.

    The last block of a side has the pixels that are left.
    """
    height, width = full.pixels.shape
    padded = full.pixels.astype("<u4", copy=False)[..., None].view(np.uint8)  # (H, W, 4)
    image = Pillow.frombuffer("RGBX", (width, height), padded, "raw", "RGBX", 0, 1)
    return ScaledImage(pack_rgbx(np.asarray(image.reduce(factor))), factor)


def _orient_scaled(scaled: ScaledImage, size_wh: tuple[int, int], orientation: int) -> ScaledImage:
    """Return a scaled image upright, given the width and height it has at full scale."""
    rows, columns = scaled.pixels.shape
    factor, (x, y) = scaled.factor, scaled.origin_xy
    overhang_xy = columns * factor + x - size_wh[0], rows * factor + y - size_wh[1]
    low, high = (
        to_upright_size((x, y), orientation),
        compute_upright_origin(overhang_xy, orientation),
    )
    # Where a side is flipped, what hung over at its far end comes first; elsewhere it is as it was.
    origin_xy = (
        high[0] if orientation in FLIPPED_X else low[0],
        high[1] if orientation in FLIPPED_Y else low[1],
    )
    return ScaledImage(apply_orientation(scaled.pixels, orientation), factor, origin_xy)
