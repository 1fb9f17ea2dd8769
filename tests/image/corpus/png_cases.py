"""PNG files of the corpus."""

import struct
from collections.abc import Iterator

import numpy as np

from .picture import Case, draw_samples
from .png import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, encode_png, png_chunk
from .references import Vips

PLAIN, ALPHA = Vips(), Vips(3, has_alpha=True)


def list_png_cases() -> Iterator[Case]:
    """Yield all of them."""
    for interlaced in (False, True):
        way = ", interlaced" if interlaced else ""
        for bits in (1, 2, 4, 8, 16):
            samples = draw_samples(bits, 1)
            file = encode_png(samples, GREY, bits, interlaced=interlaced)
            yield Case(f"png {bits}-bit grey{way}", file, Vips(1))
            # Black, and a grey that is not white.
            for value in {0, (2**bits - 1) * 2 // 3}:
                chunk = png_chunk(b"tRNS", struct.pack(">H", value))
                file = encode_png(samples, GREY, bits, interlaced=interlaced, before=[chunk])
                yield Case(
                    f"png {bits}-bit grey, {value} transparent{way}", file, Vips(1, has_alpha=True)
                )
        for bits in (8, 16):
            for kind, channels, name, answer in (
                (RGB, 3, "RGB", PLAIN),
                (GREY_ALPHA, 2, "grey and alpha", Vips(1, has_alpha=True)),
                (RGBA, 4, "RGB and alpha", ALPHA),
            ):
                file = encode_png(draw_samples(bits, channels), kind, bits, interlaced=interlaced)
                yield Case(f"png {bits}-bit {name}{way}", file, answer)
            samples = draw_samples(bits)
            chunk = png_chunk(b"tRNS", struct.pack(">3H", *samples[5, 7]))
            file = encode_png(samples, RGB, bits, interlaced=interlaced, before=[chunk])
            refusal = "RGB, 16 bits, transparent colour"
            yield Case(
                f"png {bits}-bit RGB, one transparent{way}", file, ALPHA if bits == 8 else refusal
            )
        for bits in (1, 2, 4, 8):
            colours = np.random.default_rng(bits).integers(0, 256, 3 * 2**bits).astype(np.uint8)
            before = [png_chunk(b"PLTE", colours.tobytes())]
            samples = draw_samples(bits, 1)
            file = encode_png(samples, PALETTE, bits, interlaced=interlaced, before=before)
            yield Case(f"png {bits}-bit palette{way}", file, PLAIN)
            before.append(png_chunk(b"tRNS", bytes(range(0, 256, 256 // 2**bits))))
            file = encode_png(samples, PALETTE, bits, interlaced=interlaced, before=before)
            yield Case(f"png {bits}-bit palette with alpha{way}", file, ALPHA)
    # The specification has samples scaled to all 16 bits; sBIT tells how many of them count.
    deep = draw_samples(12, 1) * 16
    file = encode_png(deep, GREY, 16, before=[png_chunk(b"sBIT", b"\x0c")])
    yield Case("png 12 of 16 bits grey", file, Vips(1))
    animation = [
        png_chunk(b"acTL", struct.pack(">2I", 1, 0)),
        png_chunk(b"fcTL", struct.pack(">5I2H2B", 0, 53, 37, 0, 0, 1, 10, 0, 0)),
    ]
    yield Case("png animated", encode_png(draw_samples(8), RGB, 8, before=animation), PLAIN)
    plain = encode_png(draw_samples(8), RGB, 8)
    yield Case("png of iOS", plain[:8] + png_chunk(b"CgBI", bytes(4)) + plain[8:], "Apple's CgBI")
    yield Case("png colour type 5", encode_png(draw_samples(8), 5, 8), "colour type 5")
    file = encode_png(draw_samples(2, 1), PALETTE, 3)
    yield Case("png 3-bit palette", file, "palette, 3 bits")
