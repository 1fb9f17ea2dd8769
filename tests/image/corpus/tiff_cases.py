"""TIFF files of the corpus."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np

from . import tiff
from .picture import Case, Samples, draw_samples
from .references import GREY, GREY_ALPHA, RGB, RGB_ALPHA, FFmpeg, Reference, Vips
from .tiff import Tiff, encode_tiff, join_pages

Storages: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Changed options by name."""

# Most kinds of pixels are written in all of these.
STORAGES: Storages = {
    "uncompressed": {},
    "big-endian": {"order": ">"},
    "LZW": {"compression": tiff.LZW},
    "deflate": {"compression": tiff.DEFLATE},
    "old deflate": {"compression": tiff.OLD_DEFLATE, "order": ">"},
    "PackBits": {"compression": tiff.PACKBITS},
    "strips": {"rows_per_strip": 7},
    "tiles": {"tile": 16},
    "deflate tiles": {"compression": tiff.DEFLATE, "tile": 16},
    "turned": {"orientation": 6},
}
PREDICTED: Storages = {
    "LZW predictor": {"compression": tiff.LZW, "predictor": 2, "order": ">"},
    "deflate predictor": {"compression": tiff.DEFLATE, "predictor": 2, "tile": 16},
}
PLANES: Storages = {
    "planes": {"planar": 2},
    "planes, strips": {"planar": 2, "rows_per_strip": 7},
    "planes, LZW predictor": {"planar": 2, "compression": tiff.LZW, "predictor": 2},
    "planes, deflate": {"planar": 2, "compression": tiff.DEFLATE},
    "planes, PackBits": {"planar": 2, "compression": tiff.PACKBITS},
}
LITTLE_ENDIAN: Storages = {
    name: kind for name, kind in STORAGES.items() if kind.get("order") != ">"
}
INKS = Vips(4, inks=True)
PALETTE_BITS = (1, 2, 4, 8)


def list_tiff_cases() -> Iterator[Case]:
    """Yield all of them."""
    yield from _list_grey()
    yield from _list_colour()
    yield from _list_palettes()
    yield from _list_refused()
    yield from _list_pages()


def _vary(
    name: str, options: Tiff, channels: int, answer: Reference | str, *storages: Storages
) -> Iterator[Case]:
    for storage in storages:
        for storage_name, changes in storage.items():
            changed = replace(options, **changes)
            samples = associate_alpha(draw_samples(options.bits, channels), changed)
            yield Case(f"tiff {name}, {storage_name}", encode_tiff(samples, changed), answer)


def associate_alpha(samples: Samples, options: Tiff) -> Samples:
    """Return samples multiplied by their alpha, if the file says that they are."""
    if list(options.extra[:1]) != [1]:
        return samples
    colours = samples.shape[2] - len(options.extra)
    share = samples[..., colours : colours + 1] / (2**options.bits - 1)
    multiplied = np.rint(samples[..., :colours] * share).astype(np.uint32)
    return np.concatenate([multiplied, samples[..., colours:]], axis=-1)


def _list_grey() -> Iterator[Case]:
    for photometric, name in ((0, "grey, white is zero"), (1, "grey")):
        for bits in (1, 2, 4):
            yield from _vary(f"{bits}-bit {name}", Tiff(photometric, bits), 1, GREY, STORAGES)
        reversed_bits = Tiff(photometric, 1, fill_order=2)
        yield from _vary(f"reversed {name}", reversed_bits, 1, GREY, {"uncompressed": {}})
        yield from _vary(f"8-bit {name}", Tiff(photometric, 8), 1, GREY, STORAGES, PREDICTED)
        yield from _vary(f"planes of one {name}", Tiff(photometric, 8), 1, GREY, PLANES)
    yield from _vary("16-bit grey", Tiff(1, 16), 1, GREY, STORAGES, PREDICTED)
    little_predictor = {"deflate predictor": PREDICTED["deflate predictor"]}
    yield from _vary(
        "16-bit grey, white is zero", Tiff(0, 16), 1, GREY, LITTLE_ENDIAN, little_predictor
    )
    for name in ("uncompressed", "LZW", "PackBits", "strips"):
        chosen = {name: STORAGES[name]}
        yield from _vary("12-bit grey", Tiff(1, 12), 1, FFmpeg("tiff_pipe"), chosen)
    for kind, name in ((0, "unused channel"), (1, "associated alpha"), (2, "alpha")):
        answer = (GREY, GREY_ALPHA, GREY_ALPHA)[kind]
        yield from _vary(
            f"8-bit grey and {name}", Tiff(1, 8, extra=(kind,)), 2, answer, STORAGES, PREDICTED
        )


def _list_colour() -> Iterator[Case]:
    for bits in (8, 16):
        planes = {name: kind for name, kind in PLANES.items() if bits == 8 or "compression" in kind}
        yield from _vary(f"{bits}-bit RGB", Tiff(2, bits), 3, RGB, STORAGES, PREDICTED, planes)
        yield from _vary(f"{bits}-bit CMYK", Tiff(5, bits), 4, INKS, STORAGES, PREDICTED, planes)
        for kind in (0, 1, 2):
            options = Tiff(2, bits, extra=(kind,))
            answer = RGB_ALPHA if kind else RGB
            yield from _vary(f"{bits}-bit RGB, {kind}", options, 4, answer, STORAGES, PREDICTED)
        undeclared = f"{bits}-bit RGB, undeclared"
        yield from _vary(undeclared, Tiff(2, bits), 4, RGB_ALPHA, STORAGES, PREDICTED)
    yield from _vary("8-bit RGB and alpha", Tiff(2, 8, extra=(2,)), 4, RGB_ALPHA, PLANES)
    chosen = {name: STORAGES[name] for name in ("uncompressed", "LZW", "deflate", "PackBits")}
    for unused in ((0,), (0, 0)):
        for kind in (0, 1, 2):
            options = Tiff(2, 8, extra=(kind, *unused))
            answer = RGB_ALPHA if kind else RGB
            yield from _vary(
                f"RGB, {options.extra}", options, 4 + len(unused), answer, chosen, PREDICTED
            )
        options = Tiff(5, 8, extra=unused)
        yield from _vary(f"CMYK, {unused}", options, 4 + len(unused), INKS, chosen, PREDICTED)


def draw_palette(bits: int) -> tuple[int, ...]:
    """Return the 16-bit reds, greens and blues of a palette."""
    colours = np.random.default_rng(bits).integers(0, 256, (3, 2**bits)) * 257
    return tuple(map(int, colours.ravel()))


def _list_palettes() -> Iterator[Case]:
    for bits in PALETTE_BITS:
        options = Tiff(3, bits, tags={320: draw_palette(bits)})
        kinds = (STORAGES, PREDICTED) if bits == 8 else (STORAGES,)
        yield from _vary(f"{bits}-bit palette", options, 1, RGB, *kinds)


def _list_refused() -> Iterator[Case]:
    plain: Storages = {"refused": {}}
    for bits, numbers, name in (
        *((bits, 1, f"{bits} bits") for bits in (6, 10, 14, 24, 32)),
        *((bits, 2, f"{bits} bits, signed") for bits in (8, 16, 32)),
        *((bits, 3, f"{bits} bits, floating-point") for bits in (16, 32)),
    ):
        yield from _vary(f"grey {name}", Tiff(1, bits, numbers), 1, f"grey, {name}", plain)
    yield from _vary("grey 12-bit", Tiff(1, 12, order=">"), 1, "12 bits, big-endian", plain)
    yield from _vary("white 12-bit", Tiff(0, 12), 1, "grey, white is zero, 12 bits", plain)
    yield from _vary("white 16-bit", Tiff(0, 16, order=">"), 1, "16 bits, big-endian", plain)
    for kind, name in ((0, "unused channel"), (1, "associated alpha"), (2, "alpha")):
        options = Tiff(1, 16, extra=(kind,))
        yield from _vary(f"16-bit grey and {name}", options, 2, f"16 bits, {name}", plain)
    yield from _vary("16-bit RGB, planes", Tiff(2, 16, planar=2), 3, "separate planes", plain)
    yield from _vary("16-bit CMYK", Tiff(5, 16, planar=2), 4, "separate planes", plain)
    tiled = Tiff(2, 8, planar=2, tile=16)
    yield from _vary("8-bit RGB", tiled, 3, "separate planes in tiles", plain)
    deflate = Tiff(1, 12, compression=tiff.DEFLATE)
    yield from _vary("12-bit grey", deflate, 1, "12 bits, deflate", plain)
    yield from _vary("4-bit RGB", Tiff(2, 4), 3, "RGB, 4 bits", plain)
    yield from _vary("12-bit RGB", Tiff(2, 12), 3, "RGB, 12 bits", plain)
    yield from _vary("CMYK and alpha", Tiff(5, 8, extra=(2,)), 5, "CMYK, 8 bits, alpha", plain)
    yield from _vary("other inks", Tiff(5, 8, tags={332: [2]}), 4, "other inks", plain)
    yield from _vary("predictor", Tiff(1, 4, compression=8, predictor=2), 1, "predictor", plain)
    yield from _vary("no photometric", Tiff(-1 % 65536), 3, "photometric 65535", plain)
    wide = Tiff(3, 16, tags={320: draw_palette(16)})
    yield from _vary("16-bit palette", wide, 1, "palette, 16 bits", plain)
    dim = Tiff(3, 8, tags={320: [colour // 257 for colour in draw_palette(8)]})
    yield from _vary("palette of 8 bits", dim, 1, "palette of 8-bit colours, 8 bits", plain)
    mixed = Tiff(2, 8, tags={339: [1, 1, 2]})
    yield from _vary("mixed numbers", mixed, 3, "signed", plain)
    for photometric, name in (
        (4, "transparency mask"),
        (32803, "colour filter array"),
        (34892, "linear raw"),
    ):
        yield from _vary(name, Tiff(photometric, 8), 3 if photometric > 40000 else 1, name, plain)
    for photometric, name in ((6, "YCbCr"), (8, "CIELab"), (9, "ICCLab")):
        yield from _vary(name, Tiff(photometric, 8), 3, name, plain)
    for number, name in (
        (2, "CCITT run lengths"),
        (3, "CCITT group 3"),
        (4, "CCITT group 4"),
        (6, "old JPEG"),
        (7, "JPEG"),
        (34712, "JPEG 2000"),
        (34925, "LZMA"),
        (50000, "Zstandard"),
        (50001, "WebP"),
        (65000, "compression 65000"),
    ):
        yield from _vary(name, Tiff(1, 1, compression=number), 1, name, plain)
    for options in (Tiff(2, 8, fill_order=2), Tiff(1, 1, fill_order=2, compression=8)):
        yield from _vary(
            f"{options.bits}-bit", options, 3 if options.bits == 8 else 1, "reversed bits", plain
        )
    big = encode_tiff(draw_samples(8), Tiff())
    yield Case("bigtiff, little-endian", b"II+\0" + big[4:], "BigTIFF")
    yield Case("bigtiff, big-endian", b"MM\0+" + big[4:], "BigTIFF")


def _list_pages() -> Iterator[Case]:
    full, small = draw_samples(8), draw_samples(8)[::4, ::4]
    plain, reduced = Tiff(), Tiff(tags={254: [1]})
    old_reduced, mask = Tiff(tags={255: [2]}), Tiff(4, 1, tags={254: [4]})
    one_bit = draw_samples(1, 1)
    yield Case("tiff of two pages", join_pages((full, plain), (small, plain)), RGB)
    yield Case("tiff with a thumbnail behind", join_pages((full, plain), (small, reduced)), RGB)
    # libvips reads the page of a number; the first of these is not the one.
    last = replace(RGB, page=1)
    yield Case("tiff with a thumbnail first", join_pages((small, reduced), (full, plain)), last)
    yield Case("tiff with an old thumbnail", join_pages((small, old_reduced), (full, plain)), last)
    yield Case("tiff with a mask first", join_pages((one_bit, mask), (full, plain)), last)
    yield Case("tiff of thumbnails", encode_tiff(small, reduced), "thumbnails alone")
