"""Inputs that are no picture, or a broken one: what every entry must refuse, and say why.

``malformed_inputs`` gives the same list on every run: name and bytes, none of which can be
decoded within limits of 20 MiB and 50 megapixels. Damage that leaves a picture readable (a
changed byte among the pixels) is not in it: each kind of damage here hits what a reader needs.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from PIL import Image

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Twice the limit of 50 megapixels, and more than any limit.
_HEIC = Path(__file__).parent / "image" / "cases" / "photo.heic"
_HUGE_SIDES = ((10_000, 10_000), (65_000, 65_000))


def malformed_inputs() -> list[tuple[str, bytes]]:
    """Return unique names and inputs, at least 200."""
    return [*_not_pictures(), *_truncated(), *_garbled(), *_without_pixels(), *_huge(), *_bombs()]


def _random(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - for noise that is the same on every run


def _not_pictures() -> Iterator[tuple[str, bytes]]:
    random = _random(1)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(zipfile.ZipInfo("face.txt"), "no face")
    yield "empty", b""
    yield "one-zero", b"\0"
    yield "zeros", bytes(4096)
    yield "spaces", b" " * 1000
    yield "text", b"This is not a picture.\n" * 40
    yield "text-utf-16", "not a picture".encode("utf-16")
    yield "html", b"<!doctype html><html><body><img src=face.jpg></body></html>"
    yield "json", b'{"image": "/9j/4AAQSkZJRg=="}'
    yield "xml", b"<?xml version='1.0'?><a/>"
    yield "svg", b"<svg xmlns='http://www.w3.org/2000/svg'><circle r='9'/></svg>"
    yield "base64-jpeg", b"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsL"
    yield "data-url", b"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAf"
    yield "pdf", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"
    yield "postscript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    yield "zip", archive.getvalue()
    yield "gzip", b"\x1f\x8b\x08\0\0\0\0\0\0\3" + zlib.compress(b"no face")
    yield "elf", b"\x7fELF\2\1\1" + bytes(57)
    yield "mp3", b"ID3\3\0\0\0\0\0\x0a" + b"\xff\xfb\x90\x44" + bytes(400)
    yield "wave", b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0" + bytes(20)
    yield "mp4", struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom") + bytes(100)
    yield "heic", struct.pack(">I4s4sI4s", 20, b"ftyp", b"heic", 0, b"mif1") + bytes(100)
    yield "icon", b"\0\0\1\0\1\0\x10\x10\0\0\1\0\x20\0" + bytes(100)
    yield "ppm", b"P6\n2 2\n255\n" + bytes(12)
    yield "photoshop", b"8BPS\0\1" + bytes(40)
    yield "bigtiff", b"II+\0\x08\0\0\0" + bytes(40)
    yield "random", random.randbytes(5000)
    yield "words-that-start-as-bmp", b"BMW is not a picture"


def _noise(mode: str) -> Image.Image:
    """Return a picture that does not compress, so that its file is nearly all pixels."""
    return Image.frombytes("RGB", (64, 48), _random(0).randbytes(64 * 48 * 3)).convert(mode)


def _encoded(mode: str, name: str, **options: object) -> bytes:
    out = io.BytesIO()
    _noise(mode).save(out, name, **options)
    return out.getvalue()


def _whole() -> dict[str, bytes]:
    """Return one small good picture of each format; each ends with what a reader needs."""
    return {
        "jpeg": _encoded("RGB", "JPEG"),
        "jpeg-progressive": _encoded("RGB", "JPEG", progressive=True),
        "jpeg-cmyk": _encoded("CMYK", "JPEG"),
        "png": _encoded("RGB", "PNG"),
        "png-palette": _encoded("P", "PNG"),
        "webp": _encoded("RGB", "WEBP"),
        "webp-lossless": _encoded("RGBA", "WEBP", lossless=True),
        "gif": _encoded("P", "GIF"),
        "bmp": _encoded("RGB", "BMP"),
        "heic": _HEIC.read_bytes(),
        "tiff": _with_directory_first(),
        "tiff-deflate": _encoded("RGB", "TIFF", compression="tiff_deflate"),
    }


def _truncated() -> Iterator[tuple[str, bytes]]:
    """Yield good pictures cut after 10, 20, ... and 90 % of their bytes, and within the header."""
    for name, data in _whole().items():
        for percent in range(10, 100, 10):
            yield f"{name}-cut-at-{percent}-percent", data[: len(data) * percent // 100]
        for size in (12, 20, 30):
            yield f"{name}-cut-at-byte-{size}", data[:size]


def _garbled() -> Iterator[tuple[str, bytes]]:
    """Yield good signatures with noise behind them, and checksums and tables that are wrong."""
    random = _random(2)
    for name, data in _whole().items():
        for size in (50, 500, 5000):
            yield f"{name}-noise-of-{size}", data[:16] + random.randbytes(size)
    png, jpeg = _encoded("RGB", "PNG"), _encoded("RGB", "JPEG")
    for at in range(16, 33):  # all that the checksum of IHDR covers, and the checksum
        yield f"png-header-byte-{at}-flipped", _flipped(png, at)
    pixels = png.index(b"IDAT") + 4
    yield "png-pixels-not-deflated", _flipped(png, pixels)
    yield "jpeg-without-tables", jpeg.replace(b"\xff\xdb", b"\xff\xfe")
    yield "jpeg-without-frame", jpeg.replace(b"\xff\xc0", b"\xff\xfe")
    yield "jpeg-without-scan", jpeg[: jpeg.index(b"\xff\xda")] + b"\xff\xd9"
    yield (
        "jpeg-of-nine-components",
        jpeg.replace(b"\xff\xc0\0\x11\x08\0\x30\0\x40\3", b"\xff\xc0\0\x11\x08\0\x30\0\x40\x09"),
    )
    lzw = _encoded("RGB", "TIFF", compression="tiff_lzw")
    yield "tiff-lzw-wrong-codes", lzw[:200] + b"\xff\x5a" * 100 + lzw[400:]
    yield "jpeg-markers-only", b"\xff\xd8\xff\xd9"
    yield "jpeg-fill-only", b"\xff\xd8" + b"\xff" * 3000


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def _without_pixels() -> Iterator[tuple[str, bytes]]:
    for width, height in ((0, 0), (0, 48), (64, 0)):
        size = f"{width}x{height}"
        yield f"png-{size}", _png(width, height)
        yield f"gif-{size}", _gif(width, height)
        yield f"bmp-{size}", _bmp(width, height)
        yield f"tiff-{size}", _tiff(width, height)
        yield f"jpeg-{size}", _jpeg(width, height)


def _huge() -> Iterator[tuple[str, bytes]]:
    """Yield small files that announce pictures far over the limit of pixels."""
    for width, height in _HUGE_SIDES:
        size = f"{width}x{height}"
        yield f"png-{size}", _png(width, height)
        yield f"gif-{size}", _gif(width, height)
        yield f"gif-disposed-{size}", _gif(width, height, disposal=2)
        yield f"bmp-{size}", _bmp(width, height)
        yield f"tiff-{size}", _tiff(width, height)
        yield f"tiff-deflate-{size}", _tiff(width, height, compression=8)
        yield f"jpeg-{size}", _jpeg(width, height)
    yield "png-largest", _png(2**31 - 1, 2**31 - 1)
    yield "bmp-largest", _bmp(2**31 - 1, 2**31 - 1)
    yield "tiff-largest", _tiff(2**32 - 1, 2**32 - 1)
    yield "webp-16383x16383", _webp_canvas(16_383, 16_383)
    yield "webp-10000x10000", _webp_canvas(10_000, 10_000)
    yield "webp-largest", _webp_canvas(2**24, 2**24)
    yield "gif-frame-larger-than-screen", _gif(10, 10, frame=(60_000, 60_000), disposal=2)


def _bombs() -> Iterator[tuple[str, bytes]]:
    """Yield files whose reading would cost far more than their size."""
    text = zlib.compress(bytes(1_000_000), 9)
    yield ("png-text-bomb", _png(64, 48, *[_chunk(b"zTXt", b"k\0\0" + text)] * 100))
    yield (
        "png-international-text-bomb",
        _png(64, 48, *[_chunk(b"iTXt", b"k\0\1\0\0\0" + text)] * 100),
    )
    profile = _chunk(b"iCCP", b"k\0\0" + zlib.compress(bytes(50_000_000), 9))
    yield "png-profile-bomb-without-pixels", _png(64, 48, profile)
    yield "tiff-million-strips", _tiff(64, 48, strips=1_000_000)
    yield "tiff-huge-tiles", _tiff(64, 48, compression=8, tile=60_000)
    jpeg = _encoded("RGB", "JPEG", progressive=True)
    last_scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    yield "jpeg-scan-bomb", jpeg[:-2] + last_scan * 1000 + jpeg[-2:]
    frame = jpeg.index(b"\xff\xc2") + 5
    large = jpeg[:frame] + struct.pack(">2H", 7000, 7000) + jpeg[frame + 4 : -2]
    yield "jpeg-large-scan-bomb", large + last_scan * 80 + jpeg[-2:]
    for compression, bits in ((1, 8), (2, 4)):
        runs = _bmp(49_999_999, 1, compression=compression, bits=bits)
        yield f"bmp-of-runs-of-{bits}-bits", runs
    yield from _bombs_of_parts()


def _bombs_of_parts() -> Iterator[tuple[str, bytes]]:
    """Yield good pictures with more small parts than any has; 20 MB of them would take seconds."""
    size = 1_000_000
    jpeg, png, gif = _encoded("RGB", "JPEG"), _encoded("RGB", "PNG"), _encoded("P", "GIF")
    for marker in (0xE0, 0xE5, 0xFE):
        segments = bytes([0xFF, marker, 0, 2]) * (size // 4)
        yield f"jpeg-of-segments-{marker:x}", jpeg[:2] + segments + jpeg[2:]
    progressive = _encoded("RGB", "JPEG", progressive=True)
    scans = b"\xff\xfe\2\2" + b"\xff\xda" * 256  # in a comment, where they are none
    comments = scans + b"\xff\xfe\0\2" * (size // 4)
    yield "jpeg-of-comments-between-scans", progressive[:-2] + comments + progressive[-2:]
    yield "jpeg-of-starts", b"\xff\xd8" * (size // 2)
    yield "jpeg-of-fill", b"\xff\xd8" + b"\xff" * size
    for name in (b"prVt", b"IDAT"):
        chunks = _chunk(name, b"") * (size // 12)
        yield f"png-of-{name.decode()}-chunks", png[:33] + chunks + png[33:]
    yield "png-of-chunks-behind-its-pixels", png[:-12] + _chunk(b"prVt", b"") * (size // 12)
    start = 13 + 3 * 256  # after the screen and its palette
    yield "gif-of-zeros", gif[:start] + bytes(size) + gif[start:]
    for block in (b"\1a", b"!\xfe\0"):
        blocks = b"!\xfe" * (block[0] == 1) + block * (size // len(block)) + b"\0"
        yield f"gif-of-{block.hex()}-blocks", gif[:start] + blocks + gif[start:]


def _chunk(name: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


def _png(width: int, height: int, *chunks: bytes) -> bytes:
    """Return a PNG whose checksums are right, with a handful of pixels."""
    header = _chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(bytes(100)))
    return _PNG_SIGNATURE + header + b"".join(chunks) + pixels + _chunk(b"IEND", b"")


def _gif(
    width: int, height: int, *, disposal: int = 0, frame: tuple[int, int] | None = None
) -> bytes:
    screen = struct.pack("<6s2H3B", b"GIF89a", width, height, 0x80, 0, 0) + bytes(6)
    control = struct.pack("<4BH2B", 0x21, 0xF9, 4, disposal << 2, 0, 0, 0)
    image_bytes = struct.pack("<B4HB", 0x2C, 0, 0, *(frame or (width, height)), 0)
    return screen + control + image_bytes + b"\x02\x02\x4c\x01\x00;"


def _bmp(width: int, height: int, *, compression: int = 0, bits: int = 24) -> bytes:
    """Return a BMP with a black palette, if it has one, and a handful of bytes for its pixels."""
    colours = 0 if bits > 8 else 2**bits
    header = struct.pack("<I2i2H6I", 40, width, height, 1, bits, compression, 0, 0, 0, colours, 0)
    start = 54 + 4 * colours
    file = struct.pack("<2sI2HI", b"BM", start + 12, 0, 0, start)
    return file + header + bytes(4 * colours + 12)


def _jpeg(width: int, height: int) -> bytes:
    """Return a good JPEG whose frame header is changed to another size."""
    return _encoded("RGB", "JPEG").replace(
        b"\xff\xc0\0\x11\x08" + struct.pack(">2H", 48, 64),
        b"\xff\xc0\0\x11\x08" + struct.pack(">2H", height, width),
    )


def _webp_canvas(width: int, height: int) -> bytes:
    """Return a WebP with one small frame on a large canvas."""
    frame = _encoded("RGB", "WEBP", lossless=True)[12:]
    sides = (63).to_bytes(3, "little") + (47).to_bytes(3, "little")
    frame = b"ANMF" + struct.pack("<I", 16 + len(frame)) + bytes(6) + sides + bytes(4) + frame
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<I", 10) + b"\2\0\0\0" + canvas
    body = b"WEBP" + extended + b"ANIM" + struct.pack("<I", 6) + bytes(6) + frame
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _tiff(
    width: int, height: int, *, compression: int = 1, strips: int = 1, tile: int | None = None
) -> bytes:
    """Return a grey TIFF with little or no data for its strips or its one tile."""
    tags = [(256, 1, width), (257, 1, height), (258, 1, 8), (259, 1, compression), (262, 1, 1)]
    after = 8 + 2 + 12 * (len(tags) + (4 if tile else 3)) + 4
    place = 0 if strips == 1 else after
    if tile:
        tags += [(322, 1, tile), (323, 1, tile), (324, 1, after), (325, 1, 20)]
    else:
        tags += [(273, strips, place), (278, 1, 1), (279, strips, place)]
    entries = b"".join(struct.pack("<2H2I", tag, 4, count, value) for tag, count, value in tags)
    values = zlib.compress(bytes(100)) if strips == 1 else bytes(4 * strips)
    return struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + values


def _with_directory_first() -> bytes:
    """Return a good TIFF that ends with its pixels, so that a cut always takes some of them."""
    pixels = _noise("L").tobytes()
    tags = [(256, 64), (257, 48), (258, 8), (259, 1), (262, 1), (273, 110), (278, 48), (279, 3072)]
    entries = b"".join(struct.pack("<2H2I", tag, 4, 1, value) for tag, value in tags)
    return struct.pack("<4sIH", b"II*\0", 8, len(tags)) + entries + bytes(4) + pixels
