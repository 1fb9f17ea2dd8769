"""Reads the header of a JPEG without decoding: its segments, frame, scans and metadata.

Damage is not an error here. Unreadable parts are skipped, and the decoder reports them.

Source: ITU-T T.81 annex B.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

END_OF_IMAGE = b"\xff\xd9"
_START_OF_SCAN = b"\xff\xda"
_SEQUENTIAL = (0, 1)
_JPEG_LS_MARKER = 0xF7
JPEG_LS = 55  # its SOF55
# DHT, JPG and DAC are in this range, but do not start a frame.
_FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC} | {_JPEG_LS_MARKER}
# Any marker but those without a length, which stand alone: TEM, RST, SOI.
_MARKER = re.compile(rb"\xff[^\x00\x01\xd0-\xd8\xff]")
# Of a segment that may come before the pixels, or of the scan that they begin with.
_SEGMENT_MARKER = re.compile(rb"\xff[\xc0-\xcf\xda-\xfe]")
# APP0 (JFIF) and APP14 (Adobe) define the colours. The other APP segments are metadata.
_ADOBE_MARKER = 0xEE
_METADATA_MARKERS = frozenset(range(0xE1, 0xF0)) - {_ADOBE_MARKER}
_EXIF_SEGMENT = re.compile(rb"\xff\xe1..Exif\0\0", re.DOTALL)
_ADOBE_SEGMENT = re.compile(rb"\xff\xee..Adobe.{6}(.)", re.DOTALL)
_MARKERS_PER_SCAN = 16  # a scan has one, and at most four tables, if one a segment
_FRAME = struct.Struct(">BHHB")  # precision, height, width, components
_MAX_PASSED_SEGMENTS = 300  # a colour profile has up to 255
_MAX_PASSED_BYTES = 1 << 16
_BLOCK_SIDE_PX = 8
_COEFFICIENT_BYTES = 2


class JpegFrame(NamedTuple):
    """A frame header (B.2.2).

    Attributes:
        process: The n of its SOFn (table B.1), or ``JPEG_LS``.
        bits: Per sample.
        size_wh: Width and height, pixels.
        factors: A byte for each component: its horizontal sampling factor in the upper four bits,
            the vertical one in the lower.
    """

    process: int
    bits: int
    size_wh: tuple[int, int]
    factors: bytes

    def count_coefficient_bytes(self) -> int:
        """Return the memory of all coefficients, which a decoder holds if scans share them."""
        width, height = self.size_wh
        pairs = [divmod(pair, 16) for pair in self.factors]
        across = max((h for h, _ in pairs), default=1) or 1
        down = max((v for _, v in pairs), default=1) or 1
        units = -(-width // (_BLOCK_SIDE_PX * across)) * -(-height // (_BLOCK_SIDE_PX * down))
        return units * sum(h * v for h, v in pairs) * _BLOCK_SIDE_PX**2 * _COEFFICIENT_BYTES


@dataclass(frozen=True, slots=True)
class JpegHeader:
    """The header of a JPEG, read in one pass.

    Attributes:
        segment_count: Segments before the pixels, and one for all that follows.
        frames: The readable frame headers, usually one.
        has_one_scan: Whether one scan holds the whole image, as in most files: it is sequential,
            baseline or extended, and its first scan has all components.
        adobe_transform: Colour transform of an Adobe segment: 0 for none, 1 for YCbCr, 2 for YCCK.
            None without such a segment.
        exif: The Exif structure; empty if there is none.
        lean_bytes: The file without its metadata.
    """

    segment_count: int
    frames: tuple[JpegFrame, ...]
    has_one_scan: bool
    adobe_transform: int | None
    exif: bytes
    lean_bytes: bytes


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


def read_jpeg_header(image_bytes: bytes, max_segments: int | None = None) -> JpegHeader:
    """Return the header of a JPEG.

    Metadata and bytes between segments are removed. The pixels depend on neither. Everything from
    the first scan on is kept.

    Args:
        image_bytes: The file.
        max_segments: Segments to read, so that a long header takes no time; None for all.
    """
    count, exif, frames, has_one_scan, adobe_transform = 0, b"", [], False, None
    view = memoryview(image_bytes)  # whose parts are not copies
    kept = [view[:2]]
    for start, end in islice(find_jpeg_segments(image_bytes), max_segments):
        count += 1
        marker = image_bytes[start + 1]
        if marker in _METADATA_MARKERS:
            if not exif and _EXIF_SEGMENT.match(image_bytes, start, end):
                exif = image_bytes[start + 4 : end]
            continue
        kept.append(view[start:end])
        if marker in _FRAME_MARKERS:
            frames.append(_read_frame(image_bytes[start:end]))
        elif marker == _ADOBE_MARKER and (adobe := _ADOBE_SEGMENT.match(image_bytes, start, end)):
            adobe_transform = adobe[1][0]
        elif marker == _START_OF_SCAN[1]:
            has_one_scan = _has_all_components(image_bytes[start + 4 : start + 5], frames)
    # If nothing is removed, avoid copying megabytes.
    is_lean = sum(map(len, kept)) == len(image_bytes)
    lean_bytes = image_bytes if is_lean else b"".join(kept)
    return JpegHeader(count, tuple(frames), has_one_scan, adobe_transform, exif, lean_bytes)


def find_frame_size(image_bytes: bytes) -> tuple[int, int] | None:
    """Return width and height of the first frame, or None if it is not near the start.

    At most 300 segments and 64 KiB between two of them are passed over, so that it takes no time.
    """
    at = 2
    for _ in range(_MAX_PASSED_SEGMENTS):
        found = _SEGMENT_MARKER.search(image_bytes, at, at + _MAX_PASSED_BYTES)
        if found is None or (marker := image_bytes[found.end() - 1]) == _START_OF_SCAN[1]:
            return None
        at = found.end()
        if marker in _FRAME_MARKERS:
            _, height, width, _ = _FRAME.unpack_from(image_bytes, at + 2)
            return width, height
        at += max(2, int.from_bytes(image_bytes[at : at + 2], "big"))
    return None


def _read_frame(segment: bytes) -> JpegFrame:
    """Return a frame header from its segment. Missing bytes count as 0."""
    bits, height, width, count = _FRAME.unpack(segment[4:10].ljust(6, b"\0"))
    marker = segment[1]
    process = JPEG_LS if marker == _JPEG_LS_MARKER else marker & 0xF
    return JpegFrame(process, bits, (width, height), segment[11 : 10 + 3 * count : 3])


def _has_all_components(scan_components: bytes, frames: list[JpegFrame]) -> bool:
    """Return whether the first scan of sequential frames has all of their components."""
    return any(
        frame.process in _SEQUENTIAL and scan_components == bytes([len(frame.factors)])
        for frame in frames
    )


def has_more_scans(image_bytes: bytes, limit: int) -> bool:
    """Return whether a JPEG without metadata has more scans than a limit.

    A file with more markers than that many scans could need counts as well.
    """
    if image_bytes.count(_START_OF_SCAN) <= limit:
        return False
    # Data after the image, such as the film that telephones append, has the marker by chance too.
    # Compressed data has not: a 255 in it is followed by 0 or by a restart marker.
    most = _MARKERS_PER_SCAN * limit
    markers = list(islice(_find_markers(image_bytes), most + 1))
    return markers.count(_START_OF_SCAN) > limit or len(markers) > most


def _find_markers(image_bytes: bytes) -> Iterator[bytes]:
    """Yield the markers of a JPEG up to its end, except those without a segment."""
    marker = _MARKER.search(image_bytes, 2)
    while marker and marker[0] != END_OF_IMAGE:
        yield marker[0]
        at = marker.start()
        length = int.from_bytes(image_bytes[at + 2 : at + 4], "big")
        marker = _MARKER.search(image_bytes, at + 2 + length)
