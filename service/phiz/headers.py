"""What a picture's header says, read without decoding: its format, size, orientation.

These are the parts of JPEG, GIF and TIFF headers that must be known before a general reader
opens the file, because opening alone can already cost memory or time without bound. Damage
is no error here: what cannot be read is left out, and the reader that follows finds it.

Sources: ITU-T T.81 annex B (JPEG markers), the GIF89a specification, TIFF 6.0 section 2,
Exif 2.32 section 4.6.
"""

import re
import struct
from dataclasses import dataclass
from typing import Literal, TypeAlias

Format: TypeAlias = Literal["JPEG", "PNG", "WebP", "AVIF", "GIF", "BMP", "TIFF"]

_SIGNATURES: dict[Format, re.Pattern[bytes]] = {
    "JPEG": re.compile(rb"\xff\xd8\xff"),
    "PNG": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "WebP": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "AVIF": re.compile(rb".{4}ftyp(avif|avis|mif1|msf1)", re.DOTALL),
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM"),
    # Not BigTIFF: it exists for files that are larger than any limit here.
    "TIFF": re.compile(rb"II\*\0|MM\0\*"),
}

_ORIENTATION = 0x0112
_SHORT = 3
_START_OF_SCAN = b"\xff\xda"
_SEQUENTIAL_FRAMES = (b"\xff\xc0", b"\xff\xc1")
_END_OF_IMAGE = b"\xff\xd9"
# Any marker but those without a length, which stand alone: TEM, RST, SOI.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
# A marker segment that has a length and comes before the first scan: not SOI, EOI, RST, SOS.
_SEGMENT = re.compile(rb"\xff[\xc0-\xcf\xdb-\xfe]")
# APP0 (JFIF) and APP14 (Adobe) say how to read the colours; the other APP segments are
# metadata.
_METADATA = re.compile(rb"\xff[\xe1-\xed\xef]")
_EXIF_SEGMENT = re.compile(rb"\xff\xe1..Exif\0\0", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a TIFF directory.

    Attributes:
        number: Which tag it is.
        kind: TIFF's number for the type of its values.
        count: How many values it has.
        value: The one value if ``count`` is 1, else where the values are.
    """

    number: int
    kind: int
    count: int
    value: int


def sniff(data: bytes) -> Format | None:
    """Return the format that the first bytes are the signature of, None if it is not known."""
    for name, signature in _SIGNATURES.items():
        if signature.match(data):
            return name
    return None


def first_directory(tiff: bytes) -> list[Tag]:
    """Return the tags of a TIFF's first directory, as far as they can be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return []
    tags = []
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            number, kind, values = struct.unpack_from(f"{order}HHI", tiff, at)
            (value,) = struct.unpack_from(f"{order}{'H' if kind == _SHORT else 'I'}", tiff, at + 8)
            tags.append(Tag(number, kind, values, value))
    except struct.error:
        pass  # cut short: the tags before the cut are still good
    return tags


def exif_orientation(exif: bytes) -> int:
    """Return the Exif orientation, 1 to 8: 1 (upright) if it is absent or out of range.

    Args:
        exif: A TIFF structure, with or without the prefix that it has in a JPEG.
    """
    for tag in first_directory(exif.removeprefix(b"Exif\0\0")):
        if tag.number == _ORIENTATION and tag.count == 1 and tag.value in range(1, 9):
            return tag.value
    return 1


def split_jpeg(data: bytes) -> tuple[bytes, bytes]:
    """Return a JPEG without its metadata, and its Exif structure, which is empty if absent.

    The pixels do not depend on the metadata; only segments before the first scan are looked
    at, and from the first byte that is none of these on, all is kept as it is.
    """
    kept = [data[:2]]
    exif = b""
    at = 2
    while _SEGMENT.match(data, at):
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if _METADATA.match(data, at):
            if not exif and _EXIF_SEGMENT.match(data, at, end):
                exif = data[at + 4 : end]
        else:
            kept.append(data[at:end])
        at = end
    kept.append(data[at:])
    return b"".join(kept), exif


def has_more_scans(jpeg: bytes, limit: int) -> bool:
    """Return whether a JPEG without metadata has more scans than a limit."""
    if _has_one_scan(jpeg) or jpeg.count(_START_OF_SCAN) <= limit:
        return False
    # What follows the picture, such as the film that telephones append, has the marker by
    # chance too; compressed data has not: a 255 in it is followed by 0 or by a restart marker.
    scans = 0
    marker = _MARKER.search(jpeg, 2)
    while marker and marker[0] != _END_OF_IMAGE and scans <= limit:
        scans += marker[0] == _START_OF_SCAN
        at = marker.start()
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        marker = _MARKER.search(jpeg, at + 2 + length)
    return scans > limit


def _has_one_scan(jpeg: bytes) -> bool:
    """Return whether a JPEG is read in one scan, whatever follows: most are.

    That is a sequential one, baseline or extended, whose first scan has all of its components.
    """
    at = 2
    components = None
    while _SEGMENT.match(jpeg, at):
        if jpeg[at : at + 2] in _SEQUENTIAL_FRAMES:
            components = jpeg[at + 9 : at + 10]
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return components is not None and jpeg[at : at + 2] + jpeg[at + 4 : at + 5] == (
        _START_OF_SCAN + components
    )


def gif_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a GIF: its screen, grown to hold the first frame.

    Where the file ends before the first frame, that is the size of the screen alone, and
    0 and 0 where it ends before that.
    """
    width = height = 0
    try:
        width, height, flags = struct.unpack_from("<HHB", data, 6)
        at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        while data[at] != ord(","):
            at = _after_extension(data, at) if data[at] == ord("!") else at + 1
        left, top, frame_width, frame_height = struct.unpack_from("<4H", data, at + 1)
    except (IndexError, struct.error):
        return width, height
    return max(width, left + frame_width), max(height, top + frame_height)


def _after_extension(data: bytes, at: int) -> int:
    """Return where the extension block that starts at ``at`` has ended."""
    at += 2  # "!" and its label
    while data[at]:
        at += 1 + data[at]
    return at + 1
