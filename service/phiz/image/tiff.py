"""Reads the directories of TIFF files, and of the TIFF structures that Exif uses.

Damage is not an error here. Unreadable tags are skipped, and the decoder reports them.

Sources: TIFF 6.0 section 2 and 8, Exif 2.32 section 4.6.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

ByteOrder: TypeAlias = Literal["<", ">"]

NEW_SUBFILE_TYPE, SUBFILE_TYPE = 254, 255
IMAGE_WIDTH, IMAGE_HEIGHT = 256, 257
BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 258, 259, 262, 266
STRIP_OFFSETS, ORIENTATION, SAMPLES, ROWS_PER_STRIP, STRIP_BYTES = 273, 274, 277, 278, 279
LARGEST_SAMPLE, PLANES, PREDICTOR, COLOUR_MAP = 281, 284, 317, 320
TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES = 322, 323, 324, 325
INK_SET, EXTRA_SAMPLES, SAMPLE_FORMAT, LARGEST_VALUE = 332, 338, 339, 341
COLOUR_PROFILE = 34675  # ICC.1:2022 annex B.4

# Only these say where pixels are and how they are stored.
PIXEL_TAGS = frozenset(
    {
        *(
            IMAGE_WIDTH,
            IMAGE_HEIGHT,
            BITS,
            COMPRESSION,
            PHOTOMETRIC,
            FILL_ORDER,
            STRIP_OFFSETS,
            ORIENTATION,
        ),
        *(SAMPLES, ROWS_PER_STRIP, STRIP_BYTES, PLANES, PREDICTOR, COLOUR_MAP, TILE_WIDTH),
        *(TILE_HEIGHT, TILE_OFFSETS, TILE_BYTES, EXTRA_SAMPLES, SAMPLE_FORMAT),
    }
)
_BYTE_ORDERS: dict[bytes, ByteOrder] = {b"II*\0": "<", b"MM\0*": ">"}
_TYPE_CODES = {1: "B", 3: "H", 4: "I"}  # of BYTE, SHORT and LONG
_HEADER_BYTES = 8
_ENTRY_BYTES = 12
_LARGEST_VALUES = frozenset(2**bits - 1 for bits in range(9, 17))
_MAX_COLOURS = 3 * 256  # red, green and blue of a palette
_MAX_PAGES = 100  # to pass over; a pyramid has about ten
_MAX_TAGS = 1000  # of a page; photographs have up to a hundred
_REDUCED_OR_MASK = 0b101  # bits of NewSubfileType
_REDUCED = 2  # value of SubfileType


@dataclass(frozen=True, slots=True)
class TiffTag:
    """One entry of a TIFF directory.

    Attributes:
        number: Number of the tag.
        value_type: TIFF's number for the type of the values.
        count: Number of values.
        content: The values if they fit in four bytes, else their offset in the file.
    """

    number: int
    value_type: int
    count: int
    content: bytes


@dataclass(frozen=True, slots=True)
class TiffDirectory:
    """The directory of one page.

    Attributes:
        image_bytes: The file.
        byte_order: Of its numbers.
        offset: Place of the directory in the file.
        tags: The readable tags by number.
        next_offset: Place of the next directory; 0 after the last.
    """

    image_bytes: bytes
    byte_order: ByteOrder
    offset: int
    tags: dict[int, TiffTag]
    next_offset: int

    def read_values(self, number: int, max_count: int = 16) -> tuple[int, ...]:
        """Return the whole numbers of a tag, up to a count; none if they cannot be read."""
        tag = self.tags.get(number)
        code = _TYPE_CODES.get(tag.value_type) if tag else None
        if tag is None or code is None:
            return ()
        layout = f"{self.byte_order}{min(tag.count, max_count)}{code}"
        try:
            if struct.calcsize(f"{tag.count}{code}") <= len(tag.content):
                return struct.unpack_from(layout, tag.content)
            (offset,) = struct.unpack(f"{self.byte_order}I", tag.content)
            return struct.unpack_from(layout, self.image_bytes, offset)
        except struct.error:
            return ()

    def read_value(self, number: int, default: int) -> int:
        """Return the first number of a tag, or the default if there is none."""
        return next(iter(self.read_values(number, 1)), default)

    def has_8_bit_colour_map(self) -> bool:
        """Return whether the colours of a palette end at 255 instead of 65,535.

        Old programs wrote them so, against TIFF 6.0 section 5. Readers make them nearly black.
        """
        return 0 < max(self.read_values(COLOUR_MAP, _MAX_COLOURS), default=0) < 256  # noqa: PLR2004


def iter_directories(image_bytes: bytes) -> Iterator[TiffDirectory]:
    """Yield the directory of each page, up to a hundred. A file of another format has none."""
    byte_order = _BYTE_ORDERS.get(image_bytes[:4])
    if byte_order is None or len(image_bytes) < _HEADER_BYTES:
        return
    (offset,) = struct.unpack_from(f"{byte_order}I", image_bytes, 4)
    for _ in range(_MAX_PAGES):
        directory = read_directory(image_bytes, byte_order, offset)
        yield directory
        offset = directory.next_offset
        if not offset:
            return


def read_directory(image_bytes: bytes, byte_order: ByteOrder, offset: int) -> TiffDirectory:
    """Return the directory at an offset, with the tags that can be read."""
    tags: dict[int, TiffTag] = {}
    next_offset = 0
    try:
        (count,) = struct.unpack_from(f"{byte_order}H", image_bytes, offset)
        entries = offset + 2
        for at in range(entries, entries + _ENTRY_BYTES * min(count, _MAX_TAGS), _ENTRY_BYTES):
            tag = TiffTag(*struct.unpack_from(f"{byte_order}HHI4s", image_bytes, at))
            tags.setdefault(tag.number, tag)
        (next_offset,) = struct.unpack_from(
            f"{byte_order}I", image_bytes, entries + _ENTRY_BYTES * count
        )
    except struct.error:
        pass  # truncated: the tags before the cut are valid
    return TiffDirectory(image_bytes, byte_order, offset, tags, next_offset)


def find_full_page(image_bytes: bytes) -> TiffDirectory | None:
    """Return the first page that is neither a thumbnail nor a mask, or None."""
    return next(iter_full_pages(image_bytes), None)


def iter_full_pages(image_bytes: bytes) -> Iterator[TiffDirectory]:
    """Yield the pages that are neither thumbnails nor masks."""
    for directory in iter_directories(image_bytes):
        is_reduced = directory.read_value(SUBFILE_TYPE, 1) == _REDUCED
        if not is_reduced and not directory.read_value(NEW_SUBFILE_TYPE, 0) & _REDUCED_OR_MASK:
            yield directory


def read_colour_profile(page: TiffDirectory) -> bytes | None:
    """Return the ICC profile of a page, or None."""
    tag = page.tags.get(COLOUR_PROFILE)
    if tag is None:
        return None
    (offset,) = struct.unpack(f"{page.byte_order}I", tag.content)
    return page.image_bytes[offset : offset + tag.count] or None


def extract_page(page: TiffDirectory) -> bytes:
    """Return a file with this page alone, without its metadata.

    The pixels stay in their place, and so does the directory, which becomes shorter. Tags of other
    types than ``read_values`` reads are left out, because other readers may take them for numbers.
    """
    order = page.byte_order
    tags = [
        tag
        for number, tag in sorted(page.tags.items())
        if number in PIXEL_TAGS and tag.value_type in _TYPE_CODES
    ]
    if page.read_value(SAMPLES, 1) == 1:
        # One plane is stored as in a file without planes. Pillow mistakes it for one of several.
        content = struct.pack(f"{order}2H", 1, 0)
        tags = [replace(tag, content=content) if tag.number == PLANES else tag for tag in tags]
    entries = (
        struct.pack(f"{order}HHI4s", tag.number, tag.value_type, tag.count, tag.content)
        for tag in tags
    )
    directory = struct.pack(f"{order}H", len(tags)) + b"".join(entries) + bytes(4)
    file = bytearray(page.image_bytes)
    file[4:8] = struct.pack(f"{order}I", page.offset)
    end = min(page.offset + len(directory), len(file))
    file[page.offset : end] = directory[: end - page.offset]
    return bytes(file)


def read_grey_range(page: TiffDirectory) -> tuple[int, int]:
    """Return the values of black and white of a page of grey.

    Cameras with 10 to 14 bits write 16, and name their largest value. Other values of that tag
    are statistics, which TIFF 6.0 forbids to apply.
    """
    bits = page.read_value(BITS, 1)
    white = 2**bits - 1
    largest = page.read_value(LARGEST_VALUE, page.read_value(LARGEST_SAMPLE, white))
    if largest in _LARGEST_VALUES:
        white = min(white, largest)
    return (0, white) if page.read_value(PHOTOMETRIC, 1) else (white, 0)


def read_exif_orientation(exif: bytes) -> int:
    """Return the Exif orientation, 1 to 8. It is 1 (upright) if absent or out of range.

    Args:
        exif: A TIFF structure, with or without its prefix in a JPEG.
    """
    for directory in iter_directories(exif.removeprefix(b"Exif\0\0")):
        values = directory.read_values(ORIENTATION, 2)
        return values[0] if len(values) == 1 and values[0] in range(1, 9) else 1
    return 1
