import struct

import pytest
from PIL import Image

from phiz.image.heif import GRID, HEVC, has_plain_grids, read_heif_header

from .corpus.heif_file import (
    CodedPicture,
    GridShape,
    encode_heic,
    shape_grid,
    take_picture,
    write_box,
    write_heif,
)

TILE = take_picture(encode_heic(Image.new("RGB", (64, 64))))
PLAIN = write_heif([TILE])
GRID_FILE = write_heif([TILE] * 6, shape_grid(3, 2, (190, 100)))


def sized(size_wh: tuple[int, int]) -> CodedPicture:
    return CodedPicture(size_wh, TILE.configuration, TILE.data)


def test_picture_has_its_size_and_coding() -> None:
    header = read_heif_header(PLAIN)
    assert header is not None
    assert header.items[header.primary].kind == HEVC
    assert header.read_size(header.primary) == (64, 64)
    assert header.find_configuration(header.primary) == TILE.configuration
    ((start, end),) = header.items[header.primary].spans
    assert PLAIN[start:end] == TILE.data


def test_grid_has_its_tiles_and_their_coding() -> None:
    header = read_heif_header(GRID_FILE)
    assert header is not None
    assert header.items[header.primary].kind == GRID
    assert header.items[header.primary].parts == [1, 2, 3, 4, 5, 6]
    assert header.read_size(header.primary) == (190, 100)
    assert header.list_sizes() == [(64, 64), (190, 100)]
    assert header.find_configuration(header.primary) == TILE.configuration


@pytest.mark.parametrize(
    ("grid", "tiles", "expected"),
    [
        pytest.param(shape_grid(3, 2, (190, 100)), [TILE] * 6, True, id="plain"),
        pytest.param(shape_grid(3, 2, (192, 128)), [TILE] * 6, True, id="whole-tiles"),
        pytest.param(shape_grid(1, 1, (10, 10)), [TILE], True, id="one"),
        pytest.param(GridShape(3, 2, (190, 100), (9, 9)), [TILE] * 6, False, id="other-size"),
        pytest.param(shape_grid(3, 2, (190, 100)), [TILE] * 5, False, id="tile-missing"),
        pytest.param(shape_grid(3, 2, (190, 100)), [TILE] * 7, False, id="tile-more"),
        pytest.param(shape_grid(3, 2, (128, 100)), [TILE] * 6, False, id="surplus-column"),
        pytest.param(shape_grid(3, 2, (190, 64)), [TILE] * 6, False, id="surplus-row"),
        pytest.param(shape_grid(3, 2, (193, 100)), [TILE] * 6, False, id="gap"),
        pytest.param(shape_grid(2, 1, (128, 64)), [TILE, sized((65, 64))], False, id="other-tile"),
        pytest.param(shape_grid(1, 1, (1, 1)), [sized((0, 0))], False, id="empty-tile"),
    ],
)
def test_only_grids_as_cameras_write_them_are_plain(
    grid: GridShape, tiles: list[CodedPicture], *, expected: bool
) -> None:
    image_bytes = write_heif(tiles, grid)
    header = read_heif_header(image_bytes)
    assert header is not None
    assert has_plain_grids(image_bytes, header) == expected


@pytest.mark.parametrize("file", [PLAIN, GRID_FILE], ids=["plain", "grid"])
def test_head_that_is_cut_anywhere_is_damage(file: bytes) -> None:
    end = file.index(b"mdat") - 4
    assert read_heif_header(file[:end]) is not None
    assert [cut for cut in range(end) if read_heif_header(file[:cut]) is not None] == []


def test_any_byte_of_the_head_may_be_wrong() -> None:
    end = GRID_FILE.index(b"mdat") - 4
    read = 0
    for at in range(end):
        for value in (0, 1, 0x7F, 0xFF):
            changed = GRID_FILE[:at] + bytes([value]) + GRID_FILE[at + 1 :]
            header = read_heif_header(changed)
            if header is not None:
                read += 1
                has_plain_grids(changed, header)
                header.read_size(header.primary)
                header.find_configuration(header.primary)
    assert end < read < 4 * end


def test_boxes_behind_the_data_do_not_matter() -> None:
    for rest in (b"SEFT", b"\0\0\0\1free", b"\xff" * 40, write_box(b"free", bytes(9))):
        assert read_heif_header(PLAIN + rest) is not None


@pytest.mark.parametrize("name", [b"meta", b"iinf", b"iprp", b"iloc", b"pitm", b"ipco"])
def test_box_that_readers_could_take_from_two_places_is_damage(name: bytes) -> None:
    at = PLAIN.index(name) - 4
    (size,) = struct.unpack_from(">I", PLAIN, at)
    box = PLAIN[at : at + size]
    if name == b"meta":
        assert read_heif_header(PLAIN[: at + size] + box + PLAIN[at + size :]) is None
        return
    changed = bytearray(PLAIN)
    changed[at + size : at + size] = box
    for outer in (b"meta", b"iprp")[: 2 if name == b"ipco" else 1]:
        start = changed.index(outer) - 4
        (outer_size,) = struct.unpack_from(">I", changed, start)
        struct.pack_into(">I", changed, start, outer_size + size)
    assert read_heif_header(bytes(changed)) is None


def test_number_of_spans_is_limited() -> None:
    at = PLAIN.index(b"iloc")
    # Every item has the most spans, of no bytes each.
    changed = bytearray(PLAIN)
    changed[at + 8 : at + 10] = b"\0\0"  # all sizes are 0
    changed[at + 10 : at + 12] = b"\xff\xff"
    changed[at + 12 :] = struct.pack(">HHHH", 1, 0, 0, 0xFFFF) * 40_000
    assert read_heif_header(bytes(changed)) is None
