"""JPEG, WebP, GIF, AVIF and HEIC files of the corpus, written by Pillow, simplejpeg and libvips."""

import io
from collections.abc import Iterator

import numpy as np
import pyvips
import simplejpeg
from PIL import Image

from .heif_file import (
    encode_deep_heic,
    encode_heic,
    shape_grid,
    take_picture,
    write_box,
    write_heif,
)
from .picture import HEIGHT, WIDTH, Case, draw_samples
from .references import FFmpeg, Vips

COLOUR, GREY, ALPHA = Vips(), Vips(1), Vips(3, has_alpha=True)
INKS = Vips(4, inks=True)
MODES = ("L", "RGB", "RGBA")


def draw_image(mode: str) -> Image.Image:
    """Return the picture of the corpus in a mode of Pillow."""
    bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}[mode]
    samples = draw_samples(8, bands).astype(np.uint8)
    return Image.fromarray(samples[..., 0] if bands == 1 else samples, mode)


def encode(mode: str, name: str, **options: object) -> bytes:
    """Return the picture as a file written by Pillow."""
    file = io.BytesIO()
    draw_image(mode).save(file, name, **options)
    return file.getvalue()


def list_jpeg_cases() -> Iterator[Case]:
    """Yield the JPEGs."""
    baseline = encode("RGB", "JPEG", quality=95)
    for name, file, answer in (
        *(
            (f"{kind} {mode}", encode(mode, "JPEG", progressive=kind == "progressive"), answer)
            for kind in ("baseline", "progressive")
            for mode, answer in (("L", GREY), ("RGB", COLOUR), ("CMYK", INKS))
        ),
        *((f"subsampling {n}", encode("RGB", "JPEG", subsampling=n), COLOUR) for n in range(2)),
        *(
            (
                f"subsampling {n}",
                simplejpeg.encode_jpeg(np.array(draw_image("RGB")), colorsubsampling=n),
                COLOUR,
            )
            for n in ("440", "411")
        ),
        ("stored as RGB", encode("RGB", "JPEG", keep_rgb=True), COLOUR),
        ("with restarts", encode("RGB", "JPEG", restart_marker_rows=1), COLOUR),
        ("extended", baseline.replace(b"\xff\xc0", b"\xff\xc1"), COLOUR),
        ("YCCK", encode("CMYK", "JPEG").replace(_ADOBE + b"\0", _ADOBE + b"\2"), INKS),
        ("CMYK without Adobe's marker", _remove_adobe(encode("CMYK", "JPEG")), INKS),
    ):
        yield Case(f"jpeg {name}", file, answer, is_lossy=True)
    for marker, name in (
        (0xC3, "lossless"),
        (0xC5, "hierarchical"),
        (0xC9, "arithmetic coding"),
        (0xCA, "progressive with arithmetic coding"),
        (0xCB, "lossless with arithmetic coding"),
        (0xF7, "JPEG-LS"),
    ):
        file = baseline.replace(b"\xff\xc0", bytes([0xFF, marker]))
        yield Case(f"jpeg {name}", file, name)
    frame = baseline.index(b"\xff\xc0")
    deep = baseline[: frame + 4] + b"\x0c" + baseline[frame + 5 :]
    yield Case("jpeg 12 bits", deep.replace(b"\xff\xc0", b"\xff\xc1"), "12 bits")
    two = baseline[: frame + 9] + b"\2" + baseline[frame + 10 :]
    yield Case("jpeg of two channels", two, "2 channels")


_ADOBE = b"Adobe\0\x64\0\0\0\0"


def _remove_adobe(image_bytes: bytes) -> bytes:
    at = image_bytes.index(b"\xff\xee")
    return image_bytes[:at] + image_bytes[at + 16 :]


def list_web_cases() -> Iterator[Case]:
    """Yield the WebPs and GIFs."""
    for mode, answer in (("RGB", COLOUR), ("RGBA", ALPHA)):
        yield Case(f"webp lossy {mode}", encode(mode, "WEBP", quality=90), answer, is_lossy=True)
        yield Case(f"webp lossless {mode}", encode(mode, "WEBP", lossless=True), answer)
        frames = {
            "save_all": True,
            "append_images": [draw_image(mode).rotate(180)],
            "lossless": True,
        }
        yield Case(f"webp animated {mode}", encode(mode, "WEBP", **frames), ALPHA)
        profile = encode(mode, "WEBP", lossless=True, icc_profile=b"profile")
        yield Case(f"webp with a profile {mode}", profile, answer)
    yield Case("webp unknown", b"RIFF\x40\0\0\0WEBPVP9 " + bytes(60), "chunk b'VP9 '")
    for interlace in (0, 1):
        yield Case(f"gif grey {interlace}", encode("L", "GIF", interlace=interlace), COLOUR)
        palette = io.BytesIO()
        draw_image("RGB").quantize(32).save(palette, "GIF", interlace=interlace)
        yield Case(f"gif palette {interlace}", palette.getvalue(), COLOUR)
        transparent = io.BytesIO()
        draw_image("RGB").quantize(32).save(transparent, "GIF", interlace=interlace, transparency=3)
        yield Case(f"gif transparent {interlace}", transparent.getvalue(), ALPHA)
    frames = {"save_all": True, "append_images": [draw_image("L").rotate(180)]}
    yield Case("gif animated", encode("L", "GIF", **frames), COLOUR)
    plain = encode("L", "GIF")
    yield Case("gif 89a", b"GIF89a" + plain[6:], COLOUR)


def encode_avif(mode: str, **options: object) -> bytes:
    """Return the picture, dark and with little contrast, as an AVIF written by Pillow.

    Decoders interpolate strong changes of colour differently.
    """
    file = io.BytesIO()
    image = draw_image(mode).point(lambda value: 16 + value // 16)
    image.save(file, "AVIF", quality=99, **options)
    return file.getvalue()


def list_avif_cases() -> Iterator[Case]:
    """Yield the AVIFs."""
    for subsampling in ("4:2:0", "4:2:2", "4:4:4"):
        for values in ("limited", "full"):
            file = encode_avif("RGB", subsampling=subsampling, range=values)
            yield Case(f"avif {subsampling}, {values} range", file, COLOUR, is_lossy=True)
    grey = encode_avif("L", subsampling="4:0:0")
    yield Case("avif grey", grey, COLOUR, is_lossy=True)
    yield Case("avif alpha", encode_avif("RGBA"), ALPHA, is_lossy=True)
    frames = {"save_all": True, "append_images": [draw_image("RGB")]}
    yield Case(
        "avif sequence",
        encode_avif("RGB", subsampling="4:4:4", **frames),
        FFmpeg("mov"),
        is_lossy=True,
    )
    for bits, answer in ((10, COLOUR), (12, "12 bits")):
        for subsample in ("on", "off"):
            deep = draw_samples(16).astype(np.uint16) // 8 + 16 * 257
            image = pyvips.Image.new_from_array(deep).copy(interpretation="rgb16")
            file = image.heifsave_buffer(
                compression="av1", bitdepth=bits, Q=95, subsample_mode=subsample
            )
            yield Case(f"avif {bits} bits, subsample {subsample}", file, answer, is_lossy=True)
    plain = encode_avif("RGB")
    for major in (b"mif1", b"miaf"):
        yield Case(
            f"avif with major brand {major.decode()}",
            plain[:8] + major + plain[12:],
            Vips(brand=b"avif"),
            is_lossy=True,
        )


def list_heic_cases() -> Iterator[Case]:
    """Yield the HEICs, which are dark and have little contrast too."""
    dark = {mode: draw_image(mode).point(lambda value: 16 + value // 16) for mode in MODES}
    answer = FFmpeg("mov", (WIDTH, HEIGHT))
    for chroma in (420, 422, 444):
        file = encode_heic(dark["RGB"], chroma=chroma)
        yield Case(f"heic chroma {chroma}", file, answer, is_lossy=True)
        deep = np.asarray(dark["RGB"]).astype(np.uint16) * 257
        yield Case(
            f"heic 10 bits, chroma {chroma}",
            encode_deep_heic(deep, chroma),
            answer,
            is_lossy=True,
            is_cut=True,
        )
    limited = encode_heic(dark["RGB"], chroma=444, full_range_flag=0)
    yield Case("heic limited range", limited, answer, is_lossy=True)
    yield Case("heic grey", encode_heic(dark["L"]), answer, is_lossy=True)
    yield Case("heic alpha", encode_heic(dark["RGBA"], chroma=444), answer, is_lossy=True)
    whole = dark["RGB"].resize((64, 64))
    tile, grey = (take_picture(encode_heic(each)) for each in (whole, whole.convert("L")))
    for name, each in (("", tile), (" of grey", grey)):
        grid = write_heif([each], shape_grid(1, 1, (64, 64)))
        yield Case(f"heic grid{name}", grid, FFmpeg("mov", (64, 64)), is_lossy=True)
    plain = write_heif([tile])
    for kind, name in ((b"av01", "AV1 picture"), (b"iden", "copy"), (b"vvc1", "of type vvc1")):
        yield Case(f"heic {name}", plain.replace(b"hvc1", kind), name)
    premultiplied = write_heif([tile], more_boxes=write_box(b"prem", b"\0\1\0\1\0\1"))
    yield Case("heic premultiplied", premultiplied, "premultiplied alpha")
    twelve = bytearray(plain)
    at = plain.index(b"hvcC") + 4
    twelve[at + 17] = twelve[at + 18] = 0xFC
    yield Case("heic 12 bits", bytes(twelve), "12 bits, 4:2:0")
