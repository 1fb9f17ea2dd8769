"""Writes HEIF files from coded pictures, with any structure."""

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from phiz.image.heif import read_heif_header

pillow_heif.options.SAVE_HDR_TO_12_BIT = False


def encode_heic(image: Image.Image, quality: int = 99, **options: object) -> bytes:
    """Return an image as a HEIC written by libheif and x265."""
    file = io.BytesIO()
    pillow_heif.from_pillow(image).save(file, quality=quality, **options)
    return file.getvalue()


def encode_deep_heic(samples: NDArray[np.uint16], chroma: int) -> bytes:
    """Return samples (H, W, 3) as a HEIC of 10 bits."""
    file = io.BytesIO()
    height, width, _ = samples.shape
    image = pillow_heif.from_bytes("RGB;16", (width, height), samples.tobytes())
    image.save(file, quality=99, chroma=chroma)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """A picture in HEVC.

    Attributes:
        size_wh: Width and height, as its item says.
        configuration: Content of its box ``hvcC``.
        data: Its stream.
    """

    size_wh: tuple[int, int]
    configuration: bytes
    data: bytes


def take_picture(image_bytes: bytes) -> CodedPicture:
    """Return the primary picture of a HEIC."""
    header = read_heif_header(image_bytes)
    assert header is not None
    size_wh = header.read_size(header.primary)
    assert size_wh is not None
    ((start, end),) = header.items[header.primary].spans
    configuration = header.find_configuration(header.primary)
    return CodedPicture(size_wh, configuration, image_bytes[start:end])


@dataclass(frozen=True, slots=True)
class GridShape:
    """A grid of tiles, as its item and its data say."""

    columns: int
    rows: int
    size_wh: tuple[int, int]
    data_wh: tuple[int, int]


def shape_grid(columns: int, rows: int, size_wh: tuple[int, int]) -> GridShape:
    """Return a grid whose data agrees with its item."""
    return GridShape(columns, rows, size_wh, size_wh)


def write_heif(
    pictures: Sequence[CodedPicture],
    grid: GridShape | None = None,
    more_properties: Sequence[bytes] = (),
    more_boxes: bytes = b"",
) -> bytes:
    """Return a file of some pictures.

    Args:
        pictures: The pictures; the first one is shown, if there is no grid.
        grid: Grid of all pictures.
        more_properties: Boxes of properties of what is shown.
        more_boxes: Boxes of references.
    """
    empty = _write_meta(pictures, grid, more_properties, more_boxes, 0)
    start = len(_BRANDS) + len(empty) + 8
    meta = _write_meta(pictures, grid, more_properties, more_boxes, start)
    return _BRANDS + meta + write_box(b"mdat", b"".join(each.data for each in pictures))


def write_box(kind: bytes, content: bytes) -> bytes:
    """Return a box."""
    return struct.pack(">I4s", 8 + len(content), kind) + content


def write_size(size_wh: tuple[int, int]) -> bytes:
    """Return the property of the size."""
    return write_box(b"ispe", struct.pack(">III", 0, *size_wh))


_BRANDS = write_box(b"ftyp", b"heic\0\0\0\0mif1heic")


def _write_meta(
    pictures: Sequence[CodedPicture],
    grid: GridShape | None,
    more_properties: Sequence[bytes],
    more_boxes: bytes,
    start: int,
) -> bytes:
    numbers = range(1, len(pictures) + 1)
    places, at = [], start
    for number, picture in zip(numbers, pictures, strict=True):
        places.append(struct.pack(">HHHHII", number, 0, 0, 1, at, len(picture.data)))
        at += len(picture.data)
    described = [
        [write_box(b"hvcC", picture.configuration), write_size(picture.size_wh)]
        for picture in pictures
    ]
    kinds = [(number, b"hvc1") for number in numbers]
    references, data = more_boxes, b""
    primary = 1
    if grid is not None:
        primary = len(pictures) + 1
        kinds.append((primary, b"grid"))
        data = struct.pack(">BBBBII", 0, 1, grid.rows - 1, grid.columns - 1, *grid.data_wh)
        places.append(struct.pack(">HHHHII", primary, 1, 0, 1, 0, len(data)))
        described.append([write_size(grid.size_wh)])
        tiles = struct.pack(f">HH{len(pictures)}H", primary, len(pictures), *numbers)
        references += write_box(b"dimg", tiles)
    described[primary - 1] += more_properties
    properties = [*dict.fromkeys(each for boxes in described for each in boxes)]
    links = [
        struct.pack(">HB", number, len(boxes)) + bytes(1 + properties.index(box) for box in boxes)
        for number, boxes in enumerate(described, 1)
    ]
    entries = [
        write_box(b"infe", struct.pack(">IHH4sB", 2 << 24, number, 0, kind, 0))
        for number, kind in kinds
    ]
    count = struct.pack(">H", len(kinds))
    content = b"".join(
        (
            bytes(4),
            write_box(b"hdlr", bytes(8) + b"pict" + bytes(13)),
            write_box(b"pitm", struct.pack(">IH", 0, primary)),
            write_box(b"iinf", bytes(4) + count + b"".join(entries)),
            write_box(b"iref", bytes(4) + references) if references else b"",
            write_box(
                b"iprp",
                write_box(b"ipco", b"".join(properties))
                + write_box(b"ipma", struct.pack(">II", 0, len(links)) + b"".join(links)),
            ),
            write_box(
                b"iloc", struct.pack(">IBBH", 1 << 24, 0x44, 0, len(places)) + b"".join(places)
            ),
            write_box(b"idat", data) if data else b"",
        )
    )
    return write_box(b"meta", content)
