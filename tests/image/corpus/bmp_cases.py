"""BMP files of the corpus."""

from collections.abc import Iterator

import numpy as np

from .bmp import ALPHA_BITFIELDS, BITFIELDS, encode_bmp, pack_words
from .picture import Case, draw_samples
from .references import FFmpeg

ANSWER = FFmpeg("bmp_pipe")
HEADERS = (40, 56, 64, 108, 124)
BGR = (0xFF0000, 0xFF00, 0xFF)
READ_16 = {"5-6-5": (0xF800, 0x7E0, 0x1F), "5-5-5": (0x7C00, 0x3E0, 0x1F)}
READ_32 = {"BGRX": BGR, "XBGR": (0xFF000000, 0xFF0000, 0xFF00)}
READ_ALPHA = {
    "BGRA": (*BGR, 0xFF000000),
    "RGBA": (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    "ABGR": (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
}
REFUSED = {
    "4-4-4": (16, (0xF00, 0xF0, 0xF)),
    "4-4-4-4": (16, (0xF00, 0xF0, 0xF, 0xF000)),
    "1-5-5-5": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    "RGBX": (32, (0xFF, 0xFF00, 0xFF0000)),
    "ARGB": (32, (0xFF00, 0xFF0000, 0xFF000000, 0xFF)),
    "10-10-10": (32, (0x3FF00000, 0xFFC00, 0x3FF)),
}


def list_bmp_cases() -> Iterator[Case]:
    """Yield all of them."""
    yield from _list_plain()
    yield from _list_masks()
    yield from _list_refused()


def _list_plain() -> Iterator[Case]:
    for header_bytes in (12, *HEADERS):
        for bits in (1, 4, 8):
            file = encode_bmp(
                draw_samples(bits, 1), bits, header_bytes=header_bytes, palette=draw_palette(bits)
            )
            yield Case(f"bmp {bits} bits, header of {header_bytes}", file, ANSWER)
        for bits, masks in ((16, READ_16["5-5-5"]), (24, BGR), (32, BGR)):
            file = encode_bmp(pack_words(draw_samples(8), masks), bits, header_bytes=header_bytes)
            yield Case(f"bmp {bits} bits, header of {header_bytes}", file, ANSWER)
    top_down = encode_bmp(pack_words(draw_samples(8), BGR), 24, top_down=True)
    yield Case("bmp from the top", top_down, ANSWER)


def _list_masks() -> Iterator[Case]:
    for header_bytes in HEADERS:
        for bits, kinds in ((16, READ_16), (32, READ_32), (32, READ_ALPHA)):
            for name, masks in kinds.items():
                if len(masks) == 4 and header_bytes == 40:
                    continue
                yield _with_masks(name, bits, masks, header_bytes, ANSWER)


def _list_refused() -> Iterator[Case]:
    for name, (bits, masks) in REFUSED.items():
        yield _with_masks(name, bits, masks, 124, f"masks {masks[0]:x} ")
    words = draw_samples(8, 1)
    for compression, name in (
        (1, "run lengths of 8 bits"),
        (2, "run lengths of 4 bits"),
        (4, "JPEG"),
        (5, "PNG"),
        (9, "compression 9"),
    ):
        file = encode_bmp(words, 8, compression=compression, palette=draw_palette(8))
        yield Case(f"bmp {name}", file, name)
    file = encode_bmp(words, 32, compression=ALPHA_BITFIELDS, masks=READ_ALPHA["BGRA"])
    yield Case("bmp masks with alpha", file, "masks with alpha")
    yield Case("bmp 2 bits", encode_bmp(draw_samples(2, 1), 2, palette=draw_palette(2)), "2 bits")
    for header_bytes in (16, 52):
        file = encode_bmp(words, 8, header_bytes=header_bytes, palette=draw_palette(8))
        yield Case(f"bmp header of {header_bytes}", file, f"{header_bytes}-byte header")


def _with_masks(
    name: str, bits: int, masks: tuple[int, ...], header_bytes: int, answer: FFmpeg | str
) -> Case:
    words = pack_words(draw_samples(8, 4), masks)
    file = encode_bmp(words, bits, header_bytes=header_bytes, compression=BITFIELDS, masks=masks)
    return Case(f"bmp {name}, header of {header_bytes}", file, answer)


def draw_palette(bits: int) -> list[tuple[int, int, int]]:
    """Return as many colours as there are values."""
    colours = np.random.default_rng(bits).integers(0, 256, (2**bits, 3)).tolist()
    return [tuple(colour) for colour in colours]
