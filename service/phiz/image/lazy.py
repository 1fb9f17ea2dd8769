"""A picture as detectors take it: its size at once, its pixels at the scale they ask for."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image as Pillow

from phiz.faces import Image
from phiz.image.orientation import FLIPPED_X, FLIPPED_Y, turned, turned_origin, turned_size
from phiz.image.pixels import Raster, raster, words

FACTORS = (8, 4, 2, 1)  # what JPEG's cosine transform can be undone at


@dataclass(frozen=True, slots=True)
class Reduced:
    """A picture at full scale, or at a half, a quarter or an eighth of it.

    Attributes:
        pixels: (h, w); each word covers factor × factor pixels of the picture.
        factor: 1, 2, 4 or 8.
        origin_xy: Where the corner of the first word lies, pixels of the picture. It is 0, or
            up to ``factor - 1`` pixels outside where that side was the last in the file.
    """

    pixels: Raster
    factor: int = 1
    origin_xy: tuple[int, int] = (0, 0)


class Picture:
    """A picture whose header has been read; for one thread at a time.

    Attributes:
        width: Pixels, upright.
        height: Pixels, upright.
    """

    __slots__ = ("_read", "_scales", "_unscaled", "height", "width")

    def __init__(self, size_wh: tuple[int, int], read: Callable[[int], Reduced]) -> None:
        """Keep what reads the pixels, by a factor that it may fall short of."""
        self.width, self.height = size_wh
        self._read = read
        self._scales: dict[int, Reduced] = {}
        self._unscaled: Reduced | None = None

    @classmethod
    def of(cls, image: Image) -> "Picture":
        """Return an image (H, W, 3) as a picture."""
        return cls.of_raster(raster(image))

    @classmethod
    def of_raster(cls, pixels: Raster) -> "Picture":
        """Return a raster (H, W) as a picture."""
        return cls((pixels.shape[1], pixels.shape[0]), lambda _: Reduced(pixels))

    def whole(self) -> Raster:
        """Return the picture (H, W) at full scale.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        return self._at(1).pixels

    def reduced(self, least: float) -> Reduced:
        """Return the picture at the smallest scale whose longer side has ``least`` pixels.

        It is at full scale if it is smaller than that. Of a format without scales, blocks of
        pixels are averaged, as a JPEG's transform does: samples taken further apart than its
        pixels would miss some, and others as the picture moves.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        longer = max(self.width, self.height)
        return self._at(next((factor for factor in FACTORS if longer >= least * factor), 1))

    def finest(self) -> Reduced:
        """Return the picture at the largest scale that has been read.

        Raises:
            ImageError: None has been, and the pixels cannot be decoded.
        """
        return self._at(min(self._scales, default=1))

    def turned(self, orientation: int) -> "Picture":
        """Return the picture as one that is stored in that Exif orientation, 1 to 8, upright."""
        size_wh = self.width, self.height
        return Picture(
            turned_size(size_wh, orientation),
            lambda factor: _turned(self._at(factor), size_wh, orientation),
        )

    def _at(self, factor: int) -> Reduced:
        if factor not in self._scales:
            read = self._unscaled or self._read(factor)
            if read.factor != factor:  # of a format without scales: what there is serves for all
                self._unscaled = self._scales[read.factor] = read
                read = averaged(read, factor)
            self._scales[factor] = read
        return self._scales[factor]


def averaged(whole: Reduced, factor: int) -> Reduced:
    """Return a picture at full scale reduced to the means of factor × factor pixels, rounded.

    The last block of a side has the pixels that are left.
    """
    height, width = whole.pixels.shape
    padded = whole.pixels.astype("<u4", copy=False)[..., None].view(np.uint8)  # (H, W, 4)
    image = Pillow.frombuffer("RGBX", (width, height), padded, "raw", "RGBX", 0, 1)
    return Reduced(words(np.asarray(image.reduce(factor))), factor)


def _turned(reduced: Reduced, size_wh: tuple[int, int], orientation: int) -> Reduced:
    """Return a reduced picture upright, given the width and height it has at full scale."""
    rows, columns = reduced.pixels.shape
    factor, (x, y) = reduced.factor, reduced.origin_xy
    over = columns * factor + x - size_wh[0], rows * factor + y - size_wh[1]
    low, high = turned_size((x, y), orientation), turned_origin(over, orientation)
    # Where a side is flipped, what hung over at its far end comes first; elsewhere it is as it was.
    origin_xy = (
        high[0] if orientation in FLIPPED_X else low[0],
        high[1] if orientation in FLIPPED_Y else low[1],
    )
    return Reduced(turned(reduced.pixels, orientation), factor, origin_xy)
