import struct
import time
from dataclasses import replace

import pytest

from phiz.image.tiff import (
    BITS,
    IMAGE_HEIGHT,
    IMAGE_WIDTH,
    NEW_SUBFILE_TYPE,
    PLANES,
    STRIP_OFFSETS,
    TILE_WIDTH,
    extract_page,
    find_full_page,
    iter_directories,
    read_exif_orientation,
    read_grey_range,
)

from .corpus.picture import draw_samples
from .corpus.tiff import Tiff, encode_tiff, join_pages


def exif(value: int, *, order: str = "<", count: int = 1) -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, count, value, 0, 0)


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0"], ids=["bare", "prefixed"])
@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read(orientation: int, order: str, prefix: bytes) -> None:
    assert read_exif_orientation(prefix + exif(orientation, order=order)) == orientation


@pytest.mark.parametrize(
    "damaged",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"Exif\0\0", id="prefix-only"),
        pytest.param(b"II*\0", id="no-directory"),
        pytest.param(b"II*\0\xff\xff\xff\xff", id="directory-outside"),
        pytest.param(exif(6)[:-8], id="cut-in-the-tag"),
        pytest.param(exif(0), id="zero"),
        pytest.param(exif(9), id="nine"),
        pytest.param(exif(6, count=2), id="two-values"),
        pytest.param(b"XX" + exif(6)[2:], id="unknown-byte-order"),
    ],
)
def test_damaged_exif_is_upright(damaged: bytes) -> None:
    assert read_exif_orientation(damaged) == 1


def test_tags_before_a_cut_are_kept() -> None:
    whole = struct.pack("<4sIH2HI2H2HII", b"II*\0", 8, 2, 256, 3, 1, 640, 0, 257, 4, 1, 480)
    (directory,) = iter_directories(whole)
    assert (directory.read_value(IMAGE_WIDTH, 0), directory.read_value(IMAGE_HEIGHT, 0)) == (
        640,
        480,
    )
    (directory,) = iter_directories(whole[:-1])
    assert (directory.read_value(IMAGE_WIDTH, 0), directory.read_value(IMAGE_HEIGHT, 0)) == (640, 0)


def write_directory(*tags: tuple[int, int, int, bytes], order: str = "<") -> bytes:
    """A TIFF of tags alone: number, type, count and four bytes."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    entries = (struct.pack(f"{order}2HI", *tag) + content for *tag, content in tags)
    return start + struct.pack(f"{order}IH", 8, len(tags)) + b"".join(entries) + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize(
    ("value_type", "code", "values"),
    [
        pytest.param(1, "B", (7,), id="byte"),
        pytest.param(3, "H", (8, 9), id="two-shorts"),
        pytest.param(4, "I", (70_000,), id="long"),
        pytest.param(3, "H", (8, 8, 9), id="shorts-elsewhere"),
        pytest.param(4, "I", (1, 2, 3), id="longs-elsewhere"),
    ],
)
def test_values_of_a_tag_are_read(
    order: str, value_type: int, code: str, values: tuple[int, ...]
) -> None:
    packed = struct.pack(f"{order}{len(values)}{code}", *values)
    content = packed.ljust(4, b"\0") if len(packed) <= 4 else struct.pack(f"{order}I", 26)
    file = write_directory((BITS, value_type, len(values), content), order=order)
    (directory,) = iter_directories(file + packed)
    assert directory.read_values(BITS) == values
    assert directory.read_values(BITS, 2) == values[:2]


@pytest.mark.parametrize(
    "tag",
    [
        pytest.param((BITS, 2, 1, b"text"), id="text"),
        pytest.param((BITS, 3, 9, b"\xff\xff\0\0"), id="beyond-the-end"),
        pytest.param((BITS, 3, 0, b"\0\0\0\0"), id="no-values"),
        pytest.param((IMAGE_WIDTH, 3, 1, b"\1\0\0\0"), id="another-tag"),
    ],
)
def test_values_that_cannot_be_read_are_none(tag: tuple[int, int, int, bytes]) -> None:
    (directory,) = iter_directories(write_directory(tag))
    assert directory.read_values(BITS) == ()
    assert directory.read_value(BITS, 5) == 5


def test_a_ring_of_directories_ends() -> None:
    ring = write_directory((IMAGE_WIDTH, 3, 1, b"\1\0\0\0"))[:-4] + struct.pack("<I", 8)
    assert len(list(iter_directories(ring))) == 100


def test_number_of_tags_that_are_read_is_limited() -> None:
    tags = [(number, 3, 1, b"\1\0\0\0") for number in range(5000)]
    (directory,) = iter_directories(write_directory(*tags))
    assert len(directory.tags) == 1000


def test_ring_of_large_directories_takes_little_time() -> None:
    tags = [(NEW_SUBFILE_TYPE, 3, 1, b"\1\0\0\0")] * 65_535
    ring = write_directory(*tags)[:-4] + struct.pack("<I", 8)
    started = time.process_time()
    assert find_full_page(ring) is None
    assert time.process_time() - started < 1


def test_tags_of_types_that_are_not_read_are_left_out() -> None:
    signed, rational = (TILE_WIDTH, 9, 1, b"\1\0\0\0"), (IMAGE_WIDTH, 5, 1, b"\0\0\0\0")
    page = find_full_page(write_directory(rational, signed, (BITS, 3, 1, b"\x08\0\0\0")))
    assert page is not None
    (only,) = iter_directories(extract_page(page))
    assert set(only.tags) == {BITS}


FULL = Tiff(1, 16)
PIXELS = draw_samples(16, 1)


@pytest.mark.parametrize(
    ("tags", "photometric", "expected"),
    [
        pytest.param({}, 1, (0, 65_535), id="all-values"),
        pytest.param({}, 0, (65_535, 0), id="white-is-zero"),
        pytest.param({281: [4095]}, 1, (0, 4095), id="twelve-bits"),
        pytest.param({341: [1023]}, 1, (0, 1023), id="ten-bits"),
        pytest.param({281: [255], 341: [16_383]}, 1, (0, 16_383), id="fourteen-bits"),
        pytest.param({281: [51_234]}, 1, (0, 65_535), id="statistics"),
    ],
)
def test_range_of_grey(
    tags: dict[int, list[int]], photometric: int, expected: tuple[int, int]
) -> None:
    options = replace(FULL, photometric=photometric, tags=tags)
    page = find_full_page(encode_tiff(PIXELS, options))
    assert page is not None
    assert read_grey_range(page) == expected


def test_extracted_page_has_no_metadata_and_stays_readable() -> None:
    options = replace(FULL, tags={600: [1] * 5000, 254: [0]})
    small = Tiff(1, 16, tags={254: [1]})
    file = join_pages((PIXELS[:9], small), (PIXELS, options))
    page = find_full_page(file)
    assert page is not None
    extracted = extract_page(page)
    assert len(extracted) == len(file)
    (only,) = iter_directories(extracted)
    assert {600, 254}.isdisjoint(only.tags)
    assert only.read_value(IMAGE_HEIGHT, 0) == PIXELS.shape[0]
    assert only.tags[STRIP_OFFSETS] == page.tags[STRIP_OFFSETS]


def test_page_of_one_channel_has_one_plane() -> None:
    page = find_full_page(encode_tiff(PIXELS, replace(FULL, planar=2, order=">")))
    assert page is not None
    (only,) = iter_directories(extract_page(page))
    assert (page.read_value(PLANES, 0), only.read_value(PLANES, 0)) == (2, 1)
