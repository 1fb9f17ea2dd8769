import struct

import pytest

from phiz.image.headers import find_gif_blocks, find_png_chunks, read_gif_size

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
