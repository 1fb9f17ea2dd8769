"""Images with lazy pixels: the size is known at once, pixels are decoded at the wanted scale."""

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

SCALE_FACTORS = (8, 4, 2, 1)  # the scales of JPEG's inverse transform


@dataclass(frozen=True, slots=True)
class ScaledImage:
    """An image at scale 1, 1/2, 1/4 or 1/8.

    Attributes:
        pixels: (h, w); each word covers factor × factor pixels of the image.
        factor: 1, 2, 4 or 8.
        origin_xy: Corner of the first word, in pixels of the image. It is 0, or up to
            ``factor - 1`` pixels outside if that side was the last one in the file.
    """

    pixels: PackedPixels
    factor: int = 1
    origin_xy: tuple[int, int] = (0, 0)


class LazyImage:
    """An image with a decoded header. Only one thread may use it at a time.

    Attributes:
        width: Pixels, upright.
        height: Pixels, upright.
    """

    __slots__ = (
        "_decode",
        "_finest_factor",
        "_full_only",
        "_scaled_by_factor",
        "height",
        "width",
    )

    def __init__(
        self,
        size_wh: tuple[int, int],
        decode: Callable[[int], ScaledImage],
        finest_factor: int = 1,
    ) -> None:
        """Store the size and the function that decodes pixels by at most a factor.

        Args:
            size_wh: Width and height, upright.
            decode: Returns the image at a scale of 1 by the factor, or at full scale.
            finest_factor: Factor of the largest scale within the limits.
        """
        self.width, self.height = size_wh
        self._decode = decode
        self._finest_factor = finest_factor
        self._scaled_by_factor: dict[int, ScaledImage] = {}
        self._full_only: ScaledImage | None = None

    @classmethod
    def from_array(cls, image: RgbImage) -> "LazyImage":
        """Return a lazy image of an array (H, W, 3)."""
        return cls.from_packed(pack_pixels(image))

    @classmethod
    def from_packed(cls, pixels: PackedPixels) -> "LazyImage":
        """Return a lazy image of packed pixels (H, W)."""
        return cls((pixels.shape[1], pixels.shape[0]), lambda _: ScaledImage(pixels))

    @property
    def has_full_scale(self) -> bool:
        """Whether full scale is within the limits."""
        return self._finest_factor == 1

    def decode_full(self) -> PackedPixels:
        """Return the pixels (H, W) at full scale.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        return self._get_scaled(1).pixels

    def decode_scaled(self, min_side_px: float) -> ScaledImage:
        """Return the image at the smallest scale whose longer side has ``min_side_px`` pixels.

        A smaller image has full scale, or the largest scale within the limits. For formats without
        scales, blocks of pixels are averaged, as in the transform of a JPEG. Without averaging,
        sparse samples would miss pixels, and miss others when the image moves.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        return self._get_scaled(self._choose_factor(min_side_px))

    def is_decoded_again(self, min_side_px: float) -> bool:
        """Return whether ``decode_scaled`` would decode the file once more."""
        is_known = self._choose_factor(min_side_px) in self._scaled_by_factor
        return bool(self._scaled_by_factor) and self._full_only is None and not is_known

    def get_finest_scale(self) -> ScaledImage:
        """Return the image at the largest scale that has been decoded.

        Raises:
            ImageError: Nothing has been decoded, and the pixels cannot be.
        """
        return self._get_scaled(min(self._scaled_by_factor, default=self._finest_factor))

    def rotate_to_upright(self, orientation: int) -> "LazyImage":
        """Return the image turned upright, as if stored in an Exif orientation, 1 to 8."""
        size_wh = self.width, self.height
        return LazyImage(
            to_upright_size(size_wh, orientation),
            lambda factor: _orient_scaled(self._get_scaled(factor), size_wh, orientation),
            self._finest_factor,
        )

    def _choose_factor(self, min_side_px: float) -> int:
        longer = max(self.width, self.height)
        wanted = next((factor for factor in SCALE_FACTORS if longer >= min_side_px * factor), 1)
        return max(wanted, self._finest_factor)

    def _get_scaled(self, factor: int) -> ScaledImage:
        if factor not in self._scaled_by_factor:
            decoded = self._full_only or self._decode(factor)
            if decoded.factor != factor:  # without scales, the full image serves every scale
                self._full_only = self._scaled_by_factor[decoded.factor] = decoded
                decoded = average_blocks(decoded, factor)
            self._scaled_by_factor[factor] = decoded
        return self._scaled_by_factor[factor]


def average_blocks(full: ScaledImage, factor: int) -> ScaledImage:
    """Return the means of factor × factor pixels of an image at full scale, rounded.

    The last block of a side has the remaining pixels.
    """
    height, width = full.pixels.shape
    words = np.ascontiguousarray(full.pixels, "<u4")  # (H, W)
    padded = words[..., None].view(np.uint8)  # (H, W, 4)
    image = Pillow.frombuffer("RGBX", (width, height), padded, "raw", "RGBX", 0, 1)
    return ScaledImage(pack_rgbx(np.asarray(image.reduce(factor))), factor)


def _orient_scaled(scaled: ScaledImage, size_wh: tuple[int, int], orientation: int) -> ScaledImage:
    """Return a scaled image turned upright, given its width and height at full scale."""
    rows, columns = scaled.pixels.shape
    factor, (x, y) = scaled.factor, scaled.origin_xy
    overhang_xy = columns * factor + x - size_wh[0], rows * factor + y - size_wh[1]
    low, high = (
        to_upright_size((x, y), orientation),
        compute_upright_origin(overhang_xy, orientation),
    )
    # A flipped side starts with the overhang of its far end. The other sides keep their origin.
    origin_xy = (
        high[0] if orientation in FLIPPED_X else low[0],
        high[1] if orientation in FLIPPED_Y else low[1],
    )
    return ScaledImage(apply_orientation(scaled.pixels, orientation), factor, origin_xy)
