"""Reads the structure of a HEIF file with HEVC pictures, before its decoder opens it.

A file of some hundred bytes can declare billions of pixels, in the size of a picture, of a tile or
of a grid. All of them are read here. The decoder itself refuses a stream that is larger than its
picture. Damage is not an error; the result is None, and the decoder is not asked.

Sources: ISO/IEC 14496-12 (boxes, ``iloc``, ``iref``), ISO/IEC 23008-12 sections 6.5 and 6.6
(properties, grids) and annex B (HEVC items).
"""

import contextlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

SizeWh: TypeAlias = tuple[int, int]
Span: TypeAlias = tuple[int, int]
"""Start and end of some bytes of the file."""

GRID: Final = "grid"
HEVC: Final = "hvc1"
# The largest real files have an item for each of some hundred tiles of 512 x 512 pixels, in a head
# of 20 kB.
MAX_BOXES: Final = 4096  # on each level
MAX_SPANS: Final = 16_384  # of the data of all items
MAX_META_BYTES: Final = 1 << 18  # of the box `meta`
_FULL_BOX: Final = 4  # bytes of version and flags
_SIZE: Final = struct.Struct(">II")
_SHORT_SIZE: Final = struct.Struct(">HH")
_LONG_FORM: Final = (b"\1", b"\3")  # flags of a grid
_ICC_PROFILES: Final = (b"prof", b"rICC")  # kinds of colour information; the others are numbers


@dataclass(slots=True)
class HeifItem:
    """An item of a file: a picture, a grid of pictures, or data such as Exif.

    Attributes:
        kind: Its type of four characters.
        spans: Places of its data, in its order.
        parts: Numbers of the items that it is derived from.
        properties: Its properties, by their place in the list of all.
    """

    kind: str = ""
    spans: list[Span] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)
    properties: list[int] = field(default_factory=list)


class Property(NamedTuple):
    """A property of items: its type, and its content."""

    kind: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class HeifHeader:
    """The structure of a file.

    Attributes:
        primary: Number of the item that is shown; 0 if there is none.
        items: All items, by their numbers.
        properties: All properties, in their order.
        has_premultiplied_alpha: Whether colours are multiplied by their alpha.
    """

    primary: int
    items: Mapping[int, HeifItem]
    properties: Sequence[Property]
    has_premultiplied_alpha: bool

    def get_properties(self, number: int) -> Iterator[Property]:
        """Yield the properties of an item."""
        item = self.items.get(number)
        for place in item.properties if item is not None else ():
            if 0 < place <= len(self.properties):
                yield self.properties[place - 1]

    def read_size(self, number: int) -> SizeWh | None:
        """Return width and height of an item, before it is cropped and turned."""
        return next(filter(None, map(_read_size, self.get_properties(number))), None)

    def list_sizes(self) -> list[SizeWh]:
        """Return every size in the file, of items that are shown or not."""
        return [size_wh for each in self.properties if (size_wh := _read_size(each)) is not None]

    def find_profile(self, number: int) -> bytes | None:
        """Return the ICC profile of an item, or None."""
        colours = (content for kind, content in self.get_properties(number) if kind == b"colr")
        return next((each[4:] for each in colours if each[:4] in _ICC_PROFILES), None)

    def find_configuration(self, number: int) -> bytes:
        """Return the configuration of the coding of an item, or of the first tile of a grid."""
        item = self.items.get(number)
        if item is not None and item.kind == GRID and item.parts:
            number = item.parts[0]
        found = (content for kind, content in self.get_properties(number) if kind == b"hvcC")
        return next(found, b"")


def _read_size(each: Property) -> SizeWh | None:
    """Return the size that a property holds, if it is one."""
    if each.kind != b"ispe" or len(each.content) < _FULL_BOX + _SIZE.size:
        return None
    width, height = _SIZE.unpack_from(each.content, _FULL_BOX)
    return width, height


def read_heif_header(image_bytes: bytes) -> HeifHeader | None:
    """Return the structure of a file, or None if it is damaged or has too many parts."""
    try:
        return _read_header(image_bytes)
    except (struct.error, IndexError, KeyError, ValueError):  # truncated, or without a box
        return None


def _read_header(image_bytes: bytes) -> HeifHeader | None:
    start, end = _find_meta(image_bytes)
    if end - start > MAX_META_BYTES:
        return None
    boxes = _map_boxes(image_bytes, (start + _FULL_BOX, end))
    items: dict[int, HeifItem] = {}
    _read_kinds(image_bytes, boxes[b"iinf"], items)
    data_start = boxes[b"idat"][0] if b"idat" in boxes else 0
    _read_places(image_bytes, boxes[b"iloc"], items, data_start)
    is_premultiplied = b"iref" in boxes and _read_references(image_bytes, boxes[b"iref"], items)
    container = _map_boxes(image_bytes, boxes[b"iprp"], b"ipma")
    properties = [
        Property(kind, image_bytes[first:last])
        for kind, (first, last) in _iterate_boxes(image_bytes, container[b"ipco"])
    ]
    for kind, span in _iterate_boxes(image_bytes, boxes[b"iprp"]):
        if kind == b"ipma":
            _read_associations(image_bytes, span, items)
    at, end = boxes[b"pitm"]
    reader = _Reader(image_bytes, at + _FULL_BOX, end)
    return HeifHeader(reader.read(4 if image_bytes[at] else 2), items, properties, is_premultiplied)


def _find_meta(image_bytes: bytes) -> Span:
    """Return the content of the only box ``meta``. Cameras write other data behind the boxes.

    Raises:
        ValueError: There is none, or several.
    """
    found: list[Span] = []
    with contextlib.suppress(ValueError, struct.error):
        for kind, span in _iterate_boxes(image_bytes, (0, len(image_bytes))):
            if kind == b"meta":
                found.append(span)
    (meta,) = found
    return meta


def _map_boxes(image_bytes: bytes, span: Span, repeated: bytes = b"") -> dict[bytes, Span]:
    """Return the boxes that fill some bytes by their types.

    Raises:
        ValueError: There are two of a type, so that readers may differ on which one counts.
    """
    boxes: dict[bytes, Span] = {}
    for kind, content in _iterate_boxes(image_bytes, span):
        if kind in boxes and kind not in {repeated, b"free", b"skip", b"uuid"}:
            raise ValueError("a box is there twice")
        boxes[kind] = content
    return boxes


def _iterate_boxes(image_bytes: bytes, span: Span) -> Iterator[tuple[bytes, Span]]:
    """Yield type and content of the boxes that fill some bytes.

    Raises:
        ValueError: There are too many of them, or one is longer than its place.
    """
    at, end = span
    count = 0
    while at + 8 <= end:
        size, kind = struct.unpack_from(">I4s", image_bytes, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", image_bytes, at + head)
            head = 16
        elif size == 0:  # up to the end
            size = end - at
        count += 1
        if size < head or at + size > end or count > MAX_BOXES:
            raise ValueError("a box does not fit")
        yield kind, (at + head, at + size)
        at += size


def _read_kinds(image_bytes: bytes, span: Span, items: dict[int, HeifItem]) -> None:
    """Add an item for each entry of the item information."""
    at, end = span
    start = at + _FULL_BOX + (4 if image_bytes[at] else 2)
    for _, (entry, last) in _iterate_boxes(image_bytes, (start, end)):
        reader = _Reader(image_bytes, entry + _FULL_BOX, last)
        number = reader.read(4 if image_bytes[entry] > 2 else 2)  # noqa: PLR2004  its version
        reader.read(2)  # its protection
        items[number] = HeifItem(reader.take(4).decode("latin-1"))


def _read_places(
    image_bytes: bytes, span: Span, items: Mapping[int, HeifItem], data_start: int
) -> None:
    """Add the places of their data to items."""
    at = span[0]
    version, sizes = image_bytes[at], image_bytes[at + 4 : at + 6]
    offset_size, length_size, base_size = sizes[0] >> 4, sizes[0] & 15, sizes[1] >> 4
    index_size = sizes[1] & 15 if version else 0
    number_size = 4 if version > 1 else 2
    reader = _Reader(image_bytes, at + 6, span[1])
    parts = 0
    for _ in range(reader.read(number_size)):
        number = reader.read(number_size)
        method = reader.read(2) & 15 if version else 0
        reader.read(2)  # of another file
        base = reader.read(base_size) + (data_start if method == 1 else 0)
        spans = []
        for _ in range(reader.read(2)):
            reader.read(index_size)
            start = base + reader.read(offset_size)
            length = reader.read(length_size)
            spans.append((start, start + length if length else len(image_bytes)))
            parts += 1
            if parts > MAX_SPANS:
                raise ValueError("there are too many spans")
        if number in items:
            items[number].spans = spans


def _read_references(image_bytes: bytes, span: Span, items: Mapping[int, HeifItem]) -> bool:
    """Add the parts of derived items. Return whether colours are multiplied by alpha."""
    at, end = span
    size = 4 if image_bytes[at] else 2
    is_premultiplied = False
    for kind, (start, last) in _iterate_boxes(image_bytes, (at + _FULL_BOX, end)):
        reader = _Reader(image_bytes, start, last)
        number = reader.read(size)
        is_premultiplied |= kind == b"prem"
        if kind == b"dimg" and number in items:
            items[number].parts = [reader.read(size) for _ in range(reader.read(2))]
    return is_premultiplied


def _read_associations(image_bytes: bytes, span: Span, items: Mapping[int, HeifItem]) -> None:
    """Add the places of their properties to items."""
    at = span[0]
    number_size = 4 if image_bytes[at] else 2
    place_size = 2 if image_bytes[at + 3] & 1 else 1
    reader = _Reader(image_bytes, at + _FULL_BOX, span[1])
    for _ in range(reader.read(4)):
        number = reader.read(number_size)
        mask = (1 << 8 * place_size - 1) - 1  # without the flag that it is essential
        places = [reader.read(place_size) & mask for _ in range(reader.read(1))]
        if number in items:
            items[number].properties = places


class _Reader:
    """Reads numbers, one after the other."""

    __slots__ = ("_at", "_bytes", "_end")

    def __init__(self, image_bytes: bytes, start: int, end: int) -> None:
        self._bytes, self._at, self._end = image_bytes, start, end

    def read(self, size: int) -> int:
        """Return the next number, of so many bytes.

        Raises:
            ValueError: It goes beyond the end.
        """
        start = self._at
        self.skip(size)
        return int.from_bytes(self._bytes[start : self._at], "big")

    def take(self, size: int) -> bytes:
        """Return the next bytes.

        Raises:
            ValueError: They go beyond the end.
        """
        start = self._at
        self.skip(size)
        return self._bytes[start : self._at]

    def skip(self, size: int) -> None:
        """Pass over bytes.

        Raises:
            ValueError: They go beyond the end.
        """
        self._at += size
        if self._at > self._end:
            raise ValueError("a part is cut")


def has_plain_grids(image_bytes: bytes, header: HeifHeader) -> bool:
    """Return whether all grids have the size of their items, and no more tiles than they show."""
    return all(
        item.kind != GRID or _is_plain_grid(image_bytes, header, number)
        for number, item in header.items.items()
    )


def _is_plain_grid(image_bytes: bytes, header: HeifHeader, number: int) -> bool:
    item = header.items[number]
    (start, end), *others = item.spans or [(0, 0)]
    data = image_bytes[start:end][: _FULL_BOX + _SIZE.size]
    layout = _SIZE if data[1:2] in _LONG_FORM else _SHORT_SIZE
    if others or not item.parts or len(data) < _FULL_BOX + layout.size:
        return False
    size_wh = layout.unpack_from(data, _FULL_BOX)
    tile_wh = header.read_size(item.parts[0])
    if size_wh != header.read_size(number) or tile_wh is None or 0 in tile_wh:
        return False
    columns, rows = (-(-side // tile) for side, tile in zip(size_wh, tile_wh, strict=True))
    return (
        (columns, rows) == (data[3] + 1, data[2] + 1)
        and len(item.parts) == columns * rows
        and all(
            part in header.items
            and header.items[part].kind == HEVC
            and header.read_size(part) == tile_wh
            for part in {*item.parts}
        )
    )
