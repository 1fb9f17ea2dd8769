import struct

import pytest

from phiz.image.headers import (
    find_gif_blocks,
    find_jpeg_segments,
    find_png_chunks,
    has_more_scans,
    read_exif_orientation,
    read_first_directory,
    read_frame_types,
    read_gif_size,
    sniff_format,
    split_off_metadata,
)


def exif(value: int, *, order: str = "<", count: int = 1) -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(f"{order}IHHHIHHI", 8, 1, 0x0112, 3, count, value, 0, 0)


SCAN = b"\xff\xda\0\x04ab" + b"\x12\xff\0\xda\xff\xd0\x34"


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">2BH", 0xFF, marker, len(content) + 2) + content


@pytest.mark.parametrize(
    ("image_bytes", "expected"),
    [
        pytest.param(b"\xff\xd8\xff\xe0", "JPEG", id="jpeg"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "PNG", id="png"),
        pytest.param(b"\x89PNG\n\x1a\n", None, id="png-sent-as-text"),
        pytest.param(b"RIFF\n\0\0\0WEBPVP8 ", "WebP", id="webp"),
        pytest.param(b"RIFF\n\0\0\0WAVEfmt ", None, id="wave"),
        pytest.param(b"\0\0\0\x20ftypavif", "AVIF", id="avif"),
        pytest.param(b"\0\0\0\x20ftypheic", None, id="heic"),
        pytest.param(b"GIF87a", "GIF", id="gif-87"),
        pytest.param(b"GIF89a", "GIF", id="gif-89"),
        pytest.param(b"BM", "BMP", id="bmp"),
        pytest.param(b"II*\0", "TIFF", id="tiff-little-endian"),
        pytest.param(b"MM\0*", "TIFF", id="tiff-big-endian"),
        pytest.param(b"II+\0", None, id="bigtiff"),
        pytest.param(b"\n\xff\xd8\xff", None, id="jpeg-after-a-line-break"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_the_format_is_told_by_the_first_bytes(image_bytes: bytes, expected: str | None) -> None:
    assert sniff_format(image_bytes) == expected


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
    assert [(tag.number, tag.value) for tag in read_first_directory(whole)] == [
        (256, 640),
        (257, 480),
    ]
    assert [tag.number for tag in read_first_directory(whole[:-1])] == [256]


def test_a_jpeg_is_split_from_its_metadata() -> None:
    jfif, adobe = segment(0xE0, b"JFIF\0rest"), segment(0xEE, b"Adobe")
    first, second = segment(0xE1, b"Exif\0\0first"), segment(0xE1, b"Exif\0\0second")
    profile = segment(0xE2, b"ICC_PROFILE\0")
    pixels = b"\xff\xda\0\x02" + first + b"\xff\xd9"  # what follows the scan is not looked at
    lean, found = split_off_metadata(b"\xff\xd8" + jfif + first + adobe + profile + second + pixels)
    assert lean == b"\xff\xd8" + jfif + adobe + pixels
    assert found == b"Exif\0\0first"


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
    assert split_off_metadata(image_bytes) == (image_bytes, b"")


TABLE = segment(0xDB, b"table")


def test_a_jpeg_without_metadata_is_not_copied() -> None:
    plain = b"\xff\xd8" + TABLE + SCAN
    assert split_off_metadata(plain)[0] is plain
    assert split_off_metadata(b"\xff\xd8" + segment(0xE2, b"profile") + TABLE + SCAN)[0] == plain


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
    assert split_off_metadata(image_bytes) == (b"\xff\xd8" + TABLE + TABLE + SCAN, b"Exif\0\0first")
    assert len(list(find_jpeg_segments(image_bytes))) == 4
    assert (
        split_off_metadata(image_bytes + between)[0] == b"\xff\xd8" + TABLE + TABLE + SCAN + between
    )


@pytest.mark.parametrize("end", [b"\xff", b"\xff\xd9", b"junk"], ids=["fill", "end", "junk"])
def test_of_a_jpeg_without_a_scan_the_segments_are_left(end: bytes) -> None:
    assert split_off_metadata(b"\xff\xd8" + TABLE + end) == (b"\xff\xd8" + TABLE, b"")


def test_the_kinds_of_frame_are_told_from_tables() -> None:
    segments = [segment(marker, b"") for marker in range(0xC0, 0xD0)]
    frames = {0, 1, 2, 3, 5, 6, 7, 9, 10, 11, 13, 14, 15}
    for number, one in enumerate(segments):
        assert read_frame_types(b"\xff\xd8" + TABLE + one + SCAN) == {number} & frames
    assert read_frame_types(b"\xff\xd8" + b"".join(segments) + SCAN) == frames
    assert read_frame_types(b"\xff\xd8" + segments[2] + SCAN + segments[3]) == {2}


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
            b"\xff\xd8" + segment(0xC0, FRAME_OF_3) + SCAN_OF_3 * 4, False, id="read-in-one-scan"
        ),
        pytest.param(
            b"\xff\xd8" + segment(0xC0, FRAME_OF_3) + SCAN * 4, True, id="a-scan-for-each-component"
        ),
        pytest.param(
            b"\xff\xd8" + segment(0xC2, FRAME_OF_3) + SCAN_OF_3 * 4, True, id="progressive"
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


SCREEN = struct.pack("<6s2H3B", b"GIF89a", 40, 30, 0, 0, 0)
CONTROL = b"!\xf9\4\0\0\0\0\0"
COMMENT = b"!\xfe\5hello\3,,,\0"


def frame(left: int, top: int, width: int, height: int) -> bytes:
    return b"," + struct.pack("<4HB", left, top, width, height, 0)


@pytest.mark.parametrize(
    ("image_bytes", "expected"),
    [
        pytest.param(SCREEN + frame(0, 0, 40, 30), (40, 30), id="frame-fills-the-screen"),
        pytest.param(SCREEN + frame(5, 5, 10, 10), (40, 30), id="frame-within-the-screen"),
        pytest.param(SCREEN + frame(20, 0, 21, 50), (41, 50), id="frame-beyond-the-screen"),
        pytest.param(SCREEN + CONTROL + COMMENT + frame(0, 0, 50, 9), (50, 30), id="extensions"),
        pytest.param(SCREEN + b"\0\0" + frame(0, 0, 50, 9), (50, 30), id="junk-before-the-frame"),
        pytest.param(
            SCREEN[:10] + b"\x81\0\0" + b"," * 12 + frame(0, 0, 50, 9), (50, 30), id="palette"
        ),
        pytest.param(SCREEN, (40, 30), id="no-frame"),
        pytest.param(SCREEN + COMMENT[:5], (40, 30), id="cut-in-an-extension"),
        pytest.param(SCREEN + frame(0, 0, 50, 9)[:5], (40, 30), id="cut-in-the-frame"),
        pytest.param(SCREEN[:9], (0, 0), id="cut-in-the-screen"),
    ],
)
def test_the_size_of_a_gif(image_bytes: bytes, expected: tuple[int, int]) -> None:
    assert read_gif_size(image_bytes) == expected


@pytest.mark.parametrize(
    ("image_bytes", "parts"),
    [
        pytest.param(SCREEN + frame(0, 0, 40, 30), [13], id="screen"),
        pytest.param(SCREEN + CONTROL + frame(0, 0, 40, 30), [13, 15, 20, 21], id="control"),
        pytest.param(SCREEN + COMMENT, [13, 15, 21, 25, 26], id="comma-in-a-comment"),
        pytest.param(SCREEN + b"\0\0" + frame(0, 0, 40, 30), [13, 14, 15], id="stray-bytes"),
        pytest.param(SCREEN[:7], [13], id="cut-in-the-screen"),
    ],
)
def test_the_parts_of_a_gif(image_bytes: bytes, parts: list[int]) -> None:
    assert list(find_gif_blocks(image_bytes)) == parts


def test_the_chunks_of_a_png() -> None:
    chunks = [bytes([0, 0, 0, size]) + name + bytes(size + 4) for name, size in CHUNKS]
    image_bytes = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    assert list(find_png_chunks(image_bytes)) == [33, 45, 62]
    assert list(find_png_chunks(image_bytes[:50])) == [33, 45, 62]
    assert list(find_png_chunks(image_bytes[:8])) == []


CHUNKS = [(b"IHDR", 13), (b"prVt", 0), (b"IDAT", 5), (b"IEND", 0), (b"more", 0)]
