"""The Exif structure that an edited image keeps: each value byte for byte, and no picture.

A structure is written anew, with its values as they are in the file. Text is neither decoded nor
encoded, since programs write it in UTF-8, against Exif 2.32. Pictures are left out: thumbnails,
previews in the notes of a camera's maker, and bytes that no tag refers to.

Sources: TIFF 6.0 section 2, Exif 2.32 section 4.6, Exif 3.0 (text in UTF-8), ISO/IEC 23008-12
annex A (Exif of HEIC and AVIF).
"""

import io
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from PIL import ExifTags
from PIL.WebPImagePlugin import WebPImageFile

from phiz.image.formats import ImageFormat
from phiz.image.headers import find_png_chunks
from phiz.image.heif import read_heif_header
from phiz.image.jpeg_header import read_jpeg_header
from phiz.image.limits import MAX_JPEG_SEGMENTS
from phiz.image.orientation import UPRIGHT_EXIF
from phiz.image.pillow import translate_errors
from phiz.image.tiff import (
    ORIENTATION,
    PIXEL_TAGS,
    ByteOrder,
    TiffDirectory,
    TiffTag,
    find_full_page,
    iter_directories,
    read_directory,
)

_BASE, _IFD = ExifTags.Base, ExifTags.IFD
# Tags that hold images or other files, or say where they are.
_DROPPED_TAGS: Final = frozenset(
    {
        *(_BASE.NewSubfileType, _BASE.SubfileType, _BASE.Compression, _BASE.SubIFDs),
        *(_BASE.StripOffsets, _BASE.StripByteCounts, _BASE.TileOffsets, _BASE.TileByteCounts),
        *(_BASE.JpegIFOffset, _BASE.JpegIFByteCount, _BASE.JPEGTables),
        *(_BASE.XMLPacket, _BASE.IPTCNAA, _BASE.ImageResources, _BASE.InterColorProfile),
        *(_BASE.MakerNote, _BASE.MakerNoteSafety, _BASE.DNGPrivateData),
    }
)
# Tags of a TIFF that say how its own pixels are stored, beside PIXEL_TAGS (TIFF 6.0 appendix A).
_STORAGE_TAGS: Final = frozenset(
    {*range(263, 266), *range(280, 282), *range(288, 294), *range(332, 347), *range(512, 533)}
)
# The directories, by the tag that says where one is, within each directory.
_NESTED: Final[Mapping[int, tuple[int, ...]]] = {
    0: (_IFD.Exif, _IFD.GPSInfo),
    _IFD.Exif: (_IFD.Interop,),
}
_POINTER_TAGS: Final = frozenset({_IFD.Exif, _IFD.GPSInfo, _IFD.Interop})
# Bytes of one value, by TIFF's number for its type. 129 is text in UTF-8.
_VALUE_BYTES: Final[Mapping[int, int]] = {
    **dict.fromkeys((1, 2, 6, 7, 129), 1),
    **dict.fromkeys((3, 8), 2),
    **dict.fromkeys((4, 9, 11), 4),
    **dict.fromkeys((5, 10, 12), 8),
}
_TEXT_TYPES: Final = (2, 129)
# But the ends of lines and of text, and tabulators.
_CONTROL_CHARACTER: Final = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f]")
_SHORT, _LONG = 3, 4
_MAX_BINARY_BYTES: Final = 1024  # of a value that is not text; no picture of a face fits
MAX_EXIF_BYTES: Final = 65_533  # of a segment of a JPEG
_INLINE_BYTES: Final = 4
_ENTRY_BYTES: Final = 12
_PREFIX: Final = b"Exif\0\0"
_HEADER_BYTES: Final = 8
_MARKS: Final[Mapping[ByteOrder, bytes]] = {"<": b"II*\0", ">": b"MM\0*"}


@dataclass(slots=True)
class _Directory:
    """A directory that is written: its tags, and its directories by the tags of their places."""

    tags: dict[int, TiffTag] = field(default_factory=dict)
    values: dict[int, bytes] = field(default_factory=dict)
    nested: dict[int, "_Directory"] = field(default_factory=dict)


def clean_exif(exif: bytes, orientation: int) -> bytes:
    """Return an Exif structure without previews and maker notes; empty if nothing is left.

    Args:
        exif: As it was in the file, or a TIFF; damaged tags are left out, and so are values for
            which a segment of a JPEG has no room.
        orientation: Orientation of the image, as the decoder reads it.
    """
    source = exif.removeprefix(_PREFIX)
    page = next(iter_directories(source), None)
    return _clean_directory(page, orientation, _DROPPED_TAGS)


def clean_tiff_tags(image_bytes: bytes, orientation: int) -> bytes:
    """Return the tags of a TIFF as ``clean_exif``, without those of its pixels."""
    dropped = _DROPPED_TAGS | (PIXEL_TAGS - {ORIENTATION}) | _STORAGE_TAGS
    return _clean_directory(find_full_page(image_bytes), orientation, dropped)


def _clean_directory(
    page: TiffDirectory | None, orientation: int, dropped_tags: frozenset[int]
) -> bytes:
    order: ByteOrder = page.byte_order if page else "<"
    room = _Room(MAX_EXIF_BYTES - len(_PREFIX) - _HEADER_BYTES - 2 * _ENTRY_BYTES)
    root = _read_kept(page, 0, dropped_tags, room) if page else _Directory()
    if page is None or page.read_values(ORIENTATION, 2) != (orientation,):
        root.tags.pop(ORIENTATION, None)
    if orientation != UPRIGHT_EXIF:
        root.tags[ORIENTATION] = TiffTag(ORIENTATION, _SHORT, 1, b"")
        root.values[ORIENTATION] = struct.pack(f"{order}H", orientation)
    if not root.tags and not root.nested:
        return b""
    header = _MARKS[order] + struct.pack(f"{order}I", _HEADER_BYTES)
    return _PREFIX + header + _encode_directory(root, order, _HEADER_BYTES)


@dataclass(slots=True)
class _Room:
    """The bytes that are left for entries and values."""

    left_bytes: int


def _read_kept(
    source: TiffDirectory, pointer: int, dropped_tags: frozenset[int], room: _Room
) -> _Directory:
    """Return the tags of a directory that hold no picture, and its directories.

    Args:
        source: The directory.
        pointer: The tag that says where it is; 0 for the first.
        dropped_tags: Tags that are not kept.
        room: For the values.
    """
    kept = _Directory()
    for number, tag in source.tags.items():
        if number in dropped_tags or number in _POINTER_TAGS:
            continue
        value = _read_value(source, tag, room.left_bytes - _ENTRY_BYTES - 1)
        if value is not None:
            kept.tags[number], kept.values[number] = tag, value
            room.left_bytes -= _ENTRY_BYTES + len(value) + 1
    for number in _NESTED.get(pointer, ()):
        room.left_bytes -= 2 * _ENTRY_BYTES  # for its place, its number of tags and its end
        for place in source.read_values(number, 1):
            inner = read_directory(source.image_bytes, source.byte_order, place)
            nested = _read_kept(inner, number, dropped_tags, room)
            if nested.tags or nested.nested:
                kept.nested[number] = nested
    return kept


def _read_value(source: TiffDirectory, tag: TiffTag, max_bytes: int) -> bytes | None:
    """Return the bytes of a tag's value; None if they are damaged, or may be a picture."""
    size = _VALUE_BYTES.get(tag.value_type, 0) * tag.count
    if not 0 < size <= max_bytes:
        return None
    if size <= _INLINE_BYTES:
        return tag.content[:size]
    (offset,) = struct.unpack(f"{source.byte_order}I", tag.content)
    value = source.image_bytes[offset : offset + size]
    if len(value) < size or (size > _MAX_BINARY_BYTES and not _is_text(tag, value)):
        return None
    return value


def _is_text(tag: TiffTag, value: bytes) -> bool:
    """Return whether a value is text, in whatever encoding. A picture has control characters."""
    return tag.value_type in _TEXT_TYPES and _CONTROL_CHARACTER.search(value) is None


def _encode_directory(directory: _Directory, order: ByteOrder, start: int) -> bytes:
    """Return a directory, its values and its directories.

    Args:
        directory: Its tags.
        order: Order of the bytes of numbers.
        start: Its place after the beginning of the structure.
    """
    numbers = sorted({*directory.tags, *directory.nested})
    data_start = start + 2 + _ENTRY_BYTES * len(numbers) + 4
    entries, data = bytearray(struct.pack(f"{order}H", len(numbers))), bytearray()
    for number in numbers:
        place = data_start + len(data)
        if (inner := directory.nested.get(number)) is not None:
            entries += struct.pack(f"{order}HHII", number, _LONG, 1, place)
            data += _encode_directory(inner, order, place)
            continue
        tag, value = directory.tags[number], directory.values[number]
        entries += struct.pack(f"{order}HHI", number, tag.value_type, tag.count)
        if len(value) <= _INLINE_BYTES:
            entries += value.ljust(_INLINE_BYTES, b"\0")
            continue
        entries += struct.pack(f"{order}I", place)
        data += value + b"\0" * (len(value) % 2)  # values begin at even places
    return bytes(entries) + bytes(4) + bytes(data)


def read_exif(image_format: ImageFormat, image_bytes: bytes) -> bytes:
    """Return the Exif structure of a readable file, with or without its prefix; empty without one.

    A TIFF has none, since its own tags are those of Exif (``clean_tiff_tags``).
    """
    if image_format == "JPEG":
        return read_jpeg_header(image_bytes, MAX_JPEG_SEGMENTS + 1).exif
    if image_format == "PNG":
        return next(_find_png_exif(image_bytes), b"")
    if image_format in {"HEIC", "AVIF"}:
        return _read_heif_exif(image_bytes)
    if image_format != "WebP":
        return b""
    with (
        translate_errors(image_format, len(image_bytes), 1),
        WebPImageFile(io.BytesIO(image_bytes)) as file,
    ):
        exif: bytes = file.info.get("exif", b"")
        return exif


def _find_png_exif(image_bytes: bytes) -> Iterator[bytes]:
    start = 8
    for end in find_png_chunks(image_bytes):
        if image_bytes[start + 4 : start + 8] == b"eXIf":
            yield image_bytes[start + 8 : end - 4]
        start = end


def _read_heif_exif(image_bytes: bytes) -> bytes:
    """Return the Exif structure of a HEIC or AVIF, whose item begins with its offset."""
    header = read_heif_header(image_bytes)
    items = header.items.values() if header else ()
    for item in items:
        # Spans may overlap, and be more than the file together.
        is_within = sum(end - start for start, end in item.spans) <= len(image_bytes)
        if item.kind == "Exif" and is_within:
            content = b"".join(image_bytes[start:end] for start, end in item.spans)
            offset = int.from_bytes(content[:4], "big")
            return content[4 + offset :]
    return b""
