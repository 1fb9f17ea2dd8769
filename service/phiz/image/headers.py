"""Reads the headers of images without decoding: format, size, parts and orientation.

These facts of JPEG, PNG, GIF and TIFF files must be known before Pillow opens a file, because
opening alone can cost unbounded memory or time. Damage is not an error here. Unreadable parts
are skipped, and the decoder reports them.

Functions that walk through a file yield one part at a time, so that callers can stop early.

Sources: ITU-T T.81 annex B (JPEG markers), the PNG specification (third edition) section 5,
the GIF89a specification, TIFF 6.0 section 2, Exif 2.32 section 4.6.
"""

import re
import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, TypeAlias

ImageFormat: TypeAlias = Literal["JPEG", "PNG", "WebP", "AVIF", "GIF", "BMP", "TIFF"]

_SIGNATURES: dict[ImageFormat, re.Pattern[bytes]] = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "AVIF": re.compile(rb".{4}ftyp(avif|avis|mif1|msf1)", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM"),
    # Not BigTIFF, which is for files larger than any limit here.
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
}

_ORIENTATION_TAG = 0x0112
_SHORT_TYPE = 3
_START_OF_SCAN = b"\xff\xda"
_SEQUENTIAL_FRAMES = (b"\xff\xc0", b"\xff\xc1")
# DHT, JPG and DAC are in this range, but do not start a frame.
_FRAME_MARKER = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]")
_END_OF_IMAGE = b"\xff\xd9"
# Any marker but those without a length, which stand alone: TEM, RST, SOI.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
# Of a segment that may come before the pixels, or of the scan that they begin with.
_SEGMENT_MARKER = re.compile(rb"\xff[\xc0-\xcf\xda-\xfe]")
# APP0 (JFIF) and APP14 (Adobe) define the colours. The other APP segments are metadata.
_METADATA_MARKER = re.compile(rb"\xff[\xe1-\xed\xef]")
_EXIF_SEGMENT = re.compile(rb"\xff\xe1..Exif\0\0", re.DOTALL)
_MARKERS_PER_SCAN = 16  # a scan has one, and at most four tables, if one a segment


@dataclass(frozen=True, slots=True)
class TiffTag:
    """One entry of a TIFF directory.

    Attributes:
        number: Number of the tag.
        value_type: TIFF's number for the type of the values.
        count: Number of values.
        value: The value if ``count`` is 1, else the offset of the values.
    """

    number: int
    value_type: int
    count: int
    value: int


def sniff_format(image_bytes: bytes) -> ImageFormat | None:
    """Return the format by the signature of the file, or None if it is unknown."""
    for name, signature in _SIGNATURES.items():
        if signature.match(image_bytes):
            return name
    return None


def read_first_directory(tiff: bytes) -> list[TiffTag]:
    """Return the readable tags of the first directory of a TIFF."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return []
    tags = []
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            number, kind, values = struct.unpack_from(f"{order}HHI", tiff, at)
            (value,) = struct.unpack_from(
                f"{order}{'H' if kind == _SHORT_TYPE else 'I'}", tiff, at + 8
            )
            tags.append(TiffTag(number, kind, values, value))
    except struct.error:
        pass  # truncated: the tags before the cut are valid
    return tags


def read_exif_orientation(exif: bytes) -> int:
    """Return the Exif orientation, 1 to 8. It is 1 (upright) if absent or out of range.

    Args:
        exif: A TIFF structure, with or without its prefix in a JPEG.
    """
    for tag in read_first_directory(exif.removeprefix(b"Exif\0\0")):
        if tag.number == _ORIENTATION_TAG and tag.count == 1 and tag.value in range(1, 9):
            return tag.value
    return 1


def find_jpeg_segments(image_bytes: bytes) -> Iterator[tuple[int, int]]:
    """Yield start and end of each segment before the first scan, then of the rest as one.

    Fill bytes and stray bytes between segments are skipped, as decoders do.
    """
    end = 2
    while found := _SEGMENT_MARKER.search(image_bytes, end):
        start, end = found.span()
        if image_bytes[start + 1] == _START_OF_SCAN[1]:
            yield start, len(image_bytes)
            return
        length = int.from_bytes(image_bytes[end : end + 2], "big")
        end += max(2, length)  # its own two bytes are there even if it says less
        yield start, end


def split_off_metadata(image_bytes: bytes) -> tuple[bytes, bytes]:
    """Return a JPEG without its metadata, and its Exif structure, which is empty if absent.

    Bytes between segments are removed too. The pixels depend on neither. Everything from the
    first scan on is kept.
    """
    view = memoryview(image_bytes)  # whose parts are not copies
    kept = [view[:2]]
    exif = b""
    for start, end in find_jpeg_segments(image_bytes):
        if not _METADATA_MARKER.match(image_bytes, start):
            kept.append(view[start:end])
        elif not exif and _EXIF_SEGMENT.match(image_bytes, start, end):
            exif = image_bytes[start + 4 : end]
    if sum(map(len, kept)) == len(image_bytes):
        return image_bytes, exif  # nothing is removed, so avoid copying megabytes
    return b"".join(kept), exif


def read_frame_types(image_bytes: bytes) -> set[int]:
    """Return the frame types of a JPEG: n of each SOFn marker (ITU-T T.81 table B.1)."""
    starts = (
        start
        for start, _ in find_jpeg_segments(image_bytes)
        if _FRAME_MARKER.match(image_bytes, start)
    )
    return {image_bytes[start + 1] & 0xF for start in starts}


def has_more_scans(image_bytes: bytes, limit: int) -> bool:
    """Return whether a JPEG without metadata has more scans than a limit.

    A file with more markers than that many scans could need counts as well.
    """
    if _has_one_scan(image_bytes) or image_bytes.count(_START_OF_SCAN) <= limit:
        return False
    # What follows the image, such as the film that telephones append, has the marker by
    # chance too; compressed data has not: a 255 in it is followed by 0 or by a restart marker.
    most = _MARKERS_PER_SCAN * limit
    markers = list(islice(_find_markers(image_bytes), most + 1))
    return markers.count(_START_OF_SCAN) > limit or len(markers) > most


def _find_markers(image_bytes: bytes) -> Iterator[bytes]:
    """Yield the markers of a JPEG up to its end, except those without a segment."""
    marker = _MARKER.search(image_bytes, 2)
    while marker and marker[0] != _END_OF_IMAGE:
        yield marker[0]
        at = marker.start()
        length = int.from_bytes(image_bytes[at + 2 : at + 4], "big")
        marker = _MARKER.search(image_bytes, at + 2 + length)


def _has_one_scan(image_bytes: bytes) -> bool:
    """Return whether one scan holds the whole JPEG, as in most files.

    Such a file is sequential, baseline or extended, and its first scan has all components.
    """
    components = None
    for at, _ in find_jpeg_segments(image_bytes):
        marker = image_bytes[at : at + 2]
        if marker in _SEQUENTIAL_FRAMES:
            components = image_bytes[at + 9 : at + 10]
        elif marker == _START_OF_SCAN:
            return image_bytes[at + 4 : at + 5] == components
    return False


def find_png_chunks(image_bytes: bytes) -> Iterator[int]:
    """Yield the end of each chunk of a PNG, up to IEND."""
    at = 8
    while at < len(image_bytes) and image_bytes[at + 4 : at + 8] != b"IEND":
        at += 12 + int.from_bytes(image_bytes[at : at + 4], "big")
        yield at


def find_gif_blocks(image_bytes: bytes) -> Iterator[int]:
    """Yield the end of each part of a GIF before its first frame.

    The first part is the screen with its palette. Blocks of extensions and stray bytes follow.
    """
    flags = int.from_bytes(image_bytes[10:11], "big")
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    yield at
    extension = False
    while (byte := image_bytes[at : at + 1]) and (extension or byte != b","):
        if extension:
            at += 1 + byte[0]
            extension = byte != b"\0"
        else:
            extension = byte == b"!"
            at += 2 if extension else 1  # a label follows
        yield at


def read_gif_size(image_bytes: bytes) -> tuple[int, int]:
    """Return width and height of a GIF: its screen, enlarged to hold the first frame.

    If the file ends before the first frame, this is the size of the screen. If it ends before
    the screen, both are 0.
    """
    width = height = 0
    (frame,) = deque(find_gif_blocks(image_bytes), maxlen=1)
    try:
        width, height, _ = struct.unpack_from("<HHB", image_bytes, 6)
        left, top, frame_width, frame_height = struct.unpack_from("<4H", image_bytes, frame + 1)
    except struct.error:
        return width, height
    return max(width, left + frame_width), max(height, top + frame_height)
