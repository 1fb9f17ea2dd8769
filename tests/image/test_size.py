import io
import math
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from phiz.image.formats import ImageFormat, sniff_format
from phiz.image.size import read_size

from .corpus.coded_cases import encode_avif
from .corpus.heif_file import encode_heic, shape_grid, take_picture, write_heif

CASES = Path(__file__).parent / "cases"
SIZE_WH = (48, 31)
# 16383 x 3000 pixels in 34 bytes.
LARGE_WEBP = bytes.fromhex("524946461a000000574542505650384c0e0000002ffeffed02071011fd0f4444ff03")


def encode(name: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, SIZE_WH).save(file, name, **options)
    return file.getvalue()


def read(image_bytes: bytes) -> tuple[int, int] | None:
    image_format = sniff_format(image_bytes)
    assert image_format is not None
    return read_size(image_format, image_bytes)


@pytest.mark.parametrize(
    "image_bytes",
    [
        pytest.param(encode("JPEG"), id="jpeg"),
        pytest.param(encode("JPEG", progressive=True), id="jpeg-progressive"),
        pytest.param(encode("JPEG", icc_profile=bytes(10**6)), id="jpeg-with-profile"),
        pytest.param(encode("PNG"), id="png"),
        pytest.param(encode("WebP"), id="webp-lossy"),
        pytest.param(encode("WebP", lossless=True), id="webp-lossless"),
        pytest.param(encode("WebP", "RGBA", exif=b"Exif\0\0MM\0*"), id="webp-extended"),
        pytest.param(encode("GIF"), id="gif"),
        pytest.param(encode("GIF", comment=b"x" * 2000), id="gif-with-comment"),
        pytest.param(encode("BMP"), id="bmp"),
        pytest.param(encode("TIFF"), id="tiff"),
        pytest.param(encode("TIFF", big_tiff=False, compression="tiff_lzw"), id="tiff-lzw"),
    ],
)
def test_size_is_read_from_the_header(image_bytes: bytes) -> None:
    assert read(image_bytes) == SIZE_WH


def test_size_of_an_avif_is_read() -> None:
    image_bytes = encode_avif("RGB")
    assert read(image_bytes) == Image.open(io.BytesIO(image_bytes)).size


def test_size_of_a_heic_is_read() -> None:
    for size_wh in ((64, 48), (1000, 700)):
        tile = take_picture(encode_heic(Image.new("RGB", (512, 512))))
        image_bytes = write_heif([tile] * 4, shape_grid(2, 2, size_wh))
        image_format = sniff_format(image_bytes)
        assert image_format == "HEIC"
        assert read_size(image_format, image_bytes) == max(size_wh, (512, 512), key=math.prod)


@pytest.mark.parametrize(
    "name",
    ["no_eoi.jpg", "with_eoi.jpg", "grey12.tif", "la_associated.tif"],
)
def test_size_is_that_of_pillow(name: str) -> None:
    image_bytes = (CASES / name).read_bytes()
    assert read(image_bytes) == Image.open(io.BytesIO(image_bytes)).size


def test_size_of_34_bytes_is_read() -> None:
    assert read(LARGE_WEBP) == (16_383, 3000)


def test_rows_of_a_bmp_from_top_to_bottom_have_a_size() -> None:
    image_bytes = bytearray(encode("BMP"))
    image_bytes[22:26] = (-SIZE_WH[1]).to_bytes(4, "little", signed=True)
    assert read(bytes(image_bytes)) == SIZE_WH


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WebP", "GIF", "BMP", "TIFF"])
def test_truncated_header_has_no_size_and_no_error(name: ImageFormat) -> None:
    image_bytes = encode(name)
    sizes = {read_size(name, image_bytes[:length]) for length in range(len(image_bytes))}
    assert sizes & {None, (0, 0)}
    assert sizes <= {None, (0, 0), SIZE_WH}


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: b"\xff\xd8\xff" + b"\xe1\0\2\xff" * 5_000_000, id="jpeg-segments"),
        pytest.param(lambda: b"\xff\xd8\xff\xe1\0\2" + bytes(20_000_000), id="jpeg-gap"),
        pytest.param(lambda: b"GIF89a" + bytes(7) + b"!\xfe\1x\0" * 4_000_000, id="gif-blocks"),
        pytest.param(lambda: b"II*\0\x08\0\0\0\xff\xff" + bytes(20_000_000), id="tiff-tags"),
        pytest.param(lambda: b"\0\0\0\x10ftypavif\0\0\0\0" + b"ispe" * 5_000_000, id="avif"),
    ],
)
def test_long_header_is_given_up_soon(build: Callable[[], bytes]) -> None:
    image_bytes = build()
    started = time.process_time()
    read(image_bytes)
    assert time.process_time() - started < 0.02  # walking it whole takes a second


@pytest.mark.parametrize(("gap_bytes", "size"), [(60_000, (20, 10)), (70_000, None)])
def test_frame_of_a_jpeg_is_not_searched_far_away(
    gap_bytes: int, size: tuple[int, int] | None
) -> None:
    frame = b"\xff\xc0\0\x0b\x08" + struct.pack(">HH", 10, 20) + b"\1\1\x11\0"
    assert read_size("JPEG", b"\xff\xd8" + bytes(gap_bytes) + frame) == size
