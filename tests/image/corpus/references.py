"""Second decoders: libvips, and FFmpeg for what libvips does not read."""

import io
from dataclasses import dataclass
from typing import TypeAlias

import av
import numpy as np
import pyvips
from av.container import InputContainer
from numpy.typing import NDArray

FloatImage: TypeAlias = NDArray[np.float64]
"""(H, W, 3), RGB, 0 to 255."""


@dataclass(frozen=True, slots=True)
class Vips:
    """libvips, and what the file says that its samples mean.

    Attributes:
        colours: Channels of colour; those after alpha are ignored.
        has_alpha: Whether the channel after the colours is alpha. Libvips divides colours by it
            where the file has them multiplied.
        inks: Whether four colours are inks.
        page: Number of the page.
        brand: Major brand that the file gets first; libvips knows fewer than libavif.
    """

    colours: int = 3
    has_alpha: bool = False
    inks: bool = False
    page: int = 0
    brand: bytes = b""

    def decode(self, image_bytes: bytes) -> FloatImage:
        if self.brand:
            image_bytes = image_bytes[:8] + self.brand + image_bytes[12:]
        options = {"page": self.page} if self.page else {}
        image = pyvips.Image.new_from_buffer(image_bytes, "", **options).autorot()
        samples = image.numpy().reshape(image.height, image.width, image.bands)
        if samples.dtype == np.uint16:
            samples = samples >> 8
        samples = samples.astype(np.float64)
        colours = samples[..., : self.colours]
        if self.inks:
            colours = (255 - colours[..., :3]) * (255 - colours[..., 3:]) / 255
        if self.has_alpha:
            share = samples[..., self.colours : self.colours + 1] / 255
            colours = colours * share + 255 * (1 - share)
        return np.broadcast_to(np.rint(colours), (*colours.shape[:2], 3))


@dataclass(frozen=True, slots=True)
class FFmpeg:
    """FFmpeg's libraries.

    Attributes:
        container: Name of the demuxer.
        heic_wh: Size of a HEIC, which they do not crop. Its alpha is another stream.
    """

    container: str
    heic_wh: tuple[int, int] | None = None

    def decode(self, image_bytes: bytes) -> FloatImage:
        with av.open(io.BytesIO(image_bytes), "r", format=self.container) as file:
            if self.heic_wh is not None:
                return _decode_heic(file, self.heic_wh)
            frame = next(file.decode(video=0))
        if frame.format.name == "gray12le":
            grey = np.rint(frame.to_ndarray() / 4095 * 255)
            return np.repeat(grey[..., None], 3, axis=-1)
        samples = frame.to_ndarray(format="rgba").astype(np.float64)
        share = samples[..., 3:] / 255
        return np.rint(samples[..., :3] * share + 255 * (1 - share))


def _decode_heic(file: InputContainer, size_wh: tuple[int, int]) -> FloatImage:
    colours, *others = (next(file.decode(stream)) for stream in file.streams.video[:2])
    samples = colours.to_ndarray(format="rgb48le") / 257
    if others:
        share = others[0].to_ndarray(format="gray")[..., None] / 255
        samples = samples * share + 255 * (1 - share)
    return np.rint(samples[: size_wh[1], : size_wh[0]])


Reference: TypeAlias = Vips | FFmpeg
GREY, RGB, GREY_ALPHA, RGB_ALPHA = (
    Vips(1),
    Vips(),
    Vips(1, has_alpha=True),
    Vips(3, has_alpha=True),
)
