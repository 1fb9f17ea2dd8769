import struct

import pytest

from phiz.image.jpeg_header import (
    JPEG_LS,
    JpegFrame,
    find_jpeg_segments,
    has_more_scans,
    read_jpeg_header,
)

SCAN = b"\xff\xda\0\x04ab" + b"\x12\xff\0\xda\xff\xd0\x34"


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">2BH", 0xFF, marker, len(content) + 2) + content


def test_a_jpeg_is_split_from_its_metadata() -> None:
    jfif, adobe = segment(0xE0, b"JFIF\0rest"), segment(0xEE, b"Adobe")
    first, second = segment(0xE1, b"Exif\0\0first"), segment(0xE1, b"Exif\0\0second")
    profile = segment(0xE2, b"ICC_PROFILE\0")
    pixels = b"\xff\xda\0\x02" + first + b"\xff\xd9"  # what follows the scan is not looked at
    header = read_jpeg_header(b"\xff\xd8" + jfif + first + adobe + profile + second + pixels)
    assert header.lean_bytes == b"\xff\xd8" + jfif + adobe + pixels
    assert header.exif == b"Exif\0\0first"
    assert header.segment_count == 6


@pytest.mark.parametrize(
    "image_bytes",
    [
        pytest.param(b"\xff\xd8", id="nothing-else"),
        pytest.param(b"\xff\xd8\xff\xdb\0", id="half-a-length"),
        pytest.param(b"\xff\xd8\xff\xdb\0\0\xff\xdb\0\1", id="lengths-too-small"),
        pytest.param(b"\xff\xd8\xff\xdb\xff\xff1234", id="length-beyond-the-end"),
    ],
)
def test_a_damaged_jpeg_is_left_as_it_is(image_bytes: bytes) -> None:
    header = read_jpeg_header(image_bytes)
    assert (header.lean_bytes, header.exif, header.has_one_scan) == (image_bytes, b"", False)


TABLE = segment(0xDB, b"table")


def test_a_jpeg_without_metadata_is_not_copied() -> None:
    plain = b"\xff\xd8" + TABLE + SCAN
    assert read_jpeg_header(plain).lean_bytes is plain
    more = b"\xff\xd8" + segment(0xE2, b"profile") + TABLE + SCAN
    assert read_jpeg_header(more).lean_bytes == plain


@pytest.mark.parametrize(("limit", "kept"), [(0, 0), (2, 2), (3, 3), (4, 3)])
def test_no_more_segments_are_read_than_the_limit(limit: int, kept: int) -> None:
    header = read_jpeg_header(b"\xff\xd8" + TABLE * 2 + SCAN, limit)
    assert header.segment_count == kept
    assert header.lean_bytes == b"\xff\xd8" + b"".join([TABLE, TABLE, SCAN][:kept])


@pytest.mark.parametrize(
    "between",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"junk", id="junk"),
        pytest.param(b"\xff" * 1_000_000, id="fill"),
        pytest.param(bytes(1_000_000), id="zeros"),
        pytest.param(b"\xff\xd8\xff\xd9" * 100_000, id="starts-and-ends"),
        pytest.param(b"\xff\x00\xff\x01\xff\xd0", id="markers-that-stand-alone"),
    ],
)
def test_what_lies_between_segments_is_passed_over(between: bytes) -> None:
    first = segment(0xE1, b"Exif\0\0first")
    image_bytes = b"\xff\xd8" + between.join([b"", TABLE, first, TABLE, SCAN])
    lean_bytes = b"\xff\xd8" + TABLE + TABLE + SCAN
    header = read_jpeg_header(image_bytes)
    assert (header.lean_bytes, header.exif) == (lean_bytes, b"Exif\0\0first")
    assert header.segment_count == len(list(find_jpeg_segments(image_bytes))) == 4
    assert read_jpeg_header(image_bytes + between).lean_bytes == lean_bytes + between


@pytest.mark.parametrize("end", [b"\xff", b"\xff\xd9", b"junk"], ids=["fill", "end", "junk"])
def test_of_a_jpeg_without_a_scan_the_segments_are_left(end: bytes) -> None:
    header = read_jpeg_header(b"\xff\xd8" + TABLE + end)
    assert (header.lean_bytes, header.exif) == (b"\xff\xd8" + TABLE, b"")


def test_frames_are_told_from_tables() -> None:
    segments = [segment(marker, b"") for marker in [*range(0xC0, 0xD0), 0xF7]]
    frames = {0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15, JPEG_LS}

    def read_processes(*parts: bytes) -> list[int]:
        header = read_jpeg_header(b"\xff\xd8" + b"".join(parts))
        return [frame.process for frame in header.frames]

    for number, one in enumerate(segments):
        process = JPEG_LS if number == 16 else number
        assert read_processes(TABLE, one, SCAN) == sorted({process} & frames)
    assert read_processes(*segments, SCAN) == sorted(frames)
    assert read_processes(segments[2], SCAN, segments[3]) == [2]


def test_a_frame_is_read() -> None:
    content = b"\x08" + struct.pack(">2HB", 30, 40, 3) + b"\1\x21\0\2\x11\0\3\x11\0"
    (frame,) = read_jpeg_header(b"\xff\xd8" + segment(0xC2, content) + SCAN).frames
    assert frame == JpegFrame(2, 8, (40, 30), b"\x21\x11\x11")
    (frame,) = read_jpeg_header(b"\xff\xd8" + segment(0xC0, content[:4]) + SCAN).frames
    assert (frame.size_wh, frame.factors) == ((0, 30), b"")


@pytest.mark.parametrize(
    ("factors", "size_wh", "blocks"),
    [
        pytest.param(b"\x11", (8, 8), 1, id="grey"),
        pytest.param(b"\x11" * 3, (17, 8), 9, id="whole-blocks"),
        pytest.param(b"\x22\x11\x11", (17, 16), 12, id="subsampled"),
        pytest.param(b"", (17, 16), 0, id="no-components"),
        pytest.param(b"\0", (17, 16), 0, id="no-samples"),
    ],
)
def test_coefficients_take_two_bytes_each(
    factors: bytes, size_wh: tuple[int, int], blocks: int
) -> None:
    assert JpegFrame(2, 8, size_wh, factors).count_coefficient_bytes() == 128 * blocks


@pytest.mark.parametrize(
    ("adobe", "expected"),
    [
        pytest.param(segment(0xEE, b"Adobe\0\x64\0\0\0\0\2"), 2, id="transform"),
        pytest.param(segment(0xEE, b"Adobe\0\x64\0\0"), None, id="cut"),
        pytest.param(segment(0xEE, b"other\0\x64\0\0\0\0\2"), None, id="of-another"),
        pytest.param(b"", None, id="none"),
    ],
)
def test_transform_of_adobe(adobe: bytes, expected: int | None) -> None:
    assert read_jpeg_header(b"\xff\xd8" + adobe + SCAN).adobe_transform == expected


SCAN_OF_3 = b"\xff\xda\0\x05\x03ab" + b"\x12\xff\0\xda\xff\xd0\x34"
FRAME_OF_3 = b"\x08\0\x10\0\x10\x03" + bytes(9)
FALSE_SCANS = segment(0xFE, b"\xff\xda" * 50)


@pytest.mark.parametrize(
    ("jpeg", "expected"),
    [
        pytest.param(b"\xff\xd8" + SCAN * 3 + b"\xff\xd9", False, id="at-the-limit"),
        pytest.param(b"\xff\xd8" + SCAN * 4 + b"\xff\xd9", True, id="over-the-limit"),
        pytest.param(b"\xff\xd8" + SCAN * 4, True, id="over-it-and-cut"),
        pytest.param(b"\xff\xd8" + SCAN + b"\xff\xd9" + SCAN * 9, False, id="appended-pictures"),
        pytest.param(b"\xff\xd8" + FALSE_SCANS + SCAN + b"\xff\xd9", False, id="in-a-comment"),
        pytest.param(
            b"\xff\xd8" + SCAN + segment(0xFE, b"\xff\xd9") + SCAN * 3 + b"\xff\xd9",
            True,
            id="an-end-in-a-comment",
        ),
        pytest.param(
            b"\xff\xd8" + SCAN + FALSE_SCANS + segment(0xFE, b"") * 46 + b"\xff\xd9",
            False,
            id="as-many-markers-as-three-scans-may-have",
        ),
        pytest.param(
            b"\xff\xd8" + SCAN + FALSE_SCANS + segment(0xFE, b"") * 47 + b"\xff\xd9",
            True,
            id="more-markers-than-three-scans-may-have",
        ),
    ],
)
def test_scans_are_counted(jpeg: bytes, *, expected: bool) -> None:
    assert has_more_scans(jpeg, 3) is expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        pytest.param((segment(0xC0, FRAME_OF_3), SCAN_OF_3 * 4), True, id="baseline"),
        pytest.param((segment(0xC1, FRAME_OF_3), SCAN_OF_3), True, id="extended"),
        pytest.param((segment(0xC0, FRAME_OF_3), SCAN), False, id="a-scan-for-each-component"),
        pytest.param((segment(0xC2, FRAME_OF_3), SCAN_OF_3), False, id="progressive"),
        pytest.param((segment(0xC0, FRAME_OF_3[:5]), SCAN_OF_3), False, id="frame-cut-short"),
        pytest.param((SCAN_OF_3,), False, id="no-frame"),
        pytest.param((segment(0xC0, FRAME_OF_3),), False, id="no-scan"),
    ],
)
def test_jpeg_with_one_scan(parts: tuple[bytes, ...], *, expected: bool) -> None:
    assert read_jpeg_header(b"\xff\xd8" + b"".join(parts)).has_one_scan is expected
