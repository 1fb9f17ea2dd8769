import struct

import pytest

from phiz.image.formats import read_brands, sniff_format


@pytest.mark.parametrize(
    ("image_bytes", "expected"),
    [
        pytest.param(b"\xff\xd8\xff\xe0", "JPEG", id="jpeg"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "PNG", id="png"),
        pytest.param(b"\x89PNG\n\x1a\n", None, id="png-sent-as-text"),
        pytest.param(b"RIFF\n\0\0\0WEBPVP8 ", "WebP", id="webp"),
        pytest.param(b"RIFF\n\0\0\0WAVEfmt ", None, id="wave"),
        pytest.param(b"\0\0\0\x20ftypavif", "AVIF", id="avif"),
        pytest.param(b"\0\0\0\x20ftypheic", "HEIC", id="heic"),
        pytest.param(b"GIF87a", "GIF", id="gif-87"),
        pytest.param(b"GIF89a", "GIF", id="gif-89"),
        pytest.param(b"BM", "BMP", id="bmp"),
        pytest.param(b"II*\0", "TIFF", id="tiff-little-endian"),
        pytest.param(b"MM\0*", "TIFF", id="tiff-big-endian"),
        pytest.param(b"II+\0", "TIFF", id="bigtiff-little-endian"),
        pytest.param(b"MM\0+", "TIFF", id="bigtiff-big-endian"),
        pytest.param(b"\n\xff\xd8\xff", None, id="jpeg-after-a-line-break"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_the_format_is_told_by_the_first_bytes(image_bytes: bytes, expected: str | None) -> None:
    assert sniff_format(image_bytes) == expected


def brands(major: bytes, *compatible: bytes) -> bytes:
    """The first box of a HEIF file, and the beginning of another."""
    return (
        struct.pack(">I4s4sI", 16 + 4 * len(compatible), b"ftyp", major, 0)
        + b"".join(compatible)
        + struct.pack(">I4s", 99, b"avif")
    )


@pytest.mark.parametrize(
    ("image_bytes", "expected"),
    [
        pytest.param(brands(b"avif", b"mif1", b"miaf"), "AVIF", id="avif"),
        pytest.param(brands(b"avis", b"msf1"), "AVIF", id="avif-sequence"),
        pytest.param(brands(b"mif1", b"miaf", b"avif"), "AVIF", id="avif-compatible"),
        pytest.param(brands(b"miaf", b"avif"), "AVIF", id="avif-with-major-miaf"),
        pytest.param(brands(b"mif1", b"heic", b"miaf"), "HEIC", id="heic-compatible"),
        pytest.param(brands(b"msf1", b"hevc"), "HEIC", id="heic-sequence"),
        pytest.param(brands(b"heix"), "HEIC", id="heic-of-ten-bits"),
        pytest.param(brands(b"mif1", b"heic", b"avif"), "AVIF", id="both"),
        pytest.param(brands(b"mif1", b"miaf"), "HEIC", id="neither"),
        pytest.param(brands(b"isom", b"mp42"), None, id="film"),
        pytest.param(brands(b"mif1", b"avif")[:18], "HEIC", id="cut-in-a-brand"),
        pytest.param(b"\0\0\0\0" + brands(b"avif", b"heic")[4:], "AVIF", id="without-a-length"),
        pytest.param(b"\xff\0\0\0" + brands(b"mif1", b"avif")[4:], "AVIF", id="length-too-large"),
    ],
)
def test_format_is_told_by_all_brands(image_bytes: bytes, expected: str | None) -> None:
    assert sniff_format(image_bytes) == expected


def test_version_is_no_brand() -> None:
    assert read_brands(struct.pack(">I4s4s4s4s", 20, b"ftyp", b"mif1", b"avif", b"miaf")) == {
        b"mif1",
        b"miaf",
    }


def test_number_of_brands_is_limited() -> None:
    many = brands(b"miaf", *[b"miaf"] * 300, b"avif")
    assert sniff_format(many) is None
