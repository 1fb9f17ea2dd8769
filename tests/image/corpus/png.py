"""PNG files, written byte by byte (PNG specification, third edition)."""

import struct
import zlib
from collections.abc import Sequence

from .picture import Samples
from .tiff import pack_row

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
# First column and row, and steps, of the passes of Adam7.
_PASSES = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def encode_png(
    samples: Samples,
    colour_type: int,
    depth: int,
    *,
    interlaced: bool = False,
    before: Sequence[bytes] = (),
    after: Sequence[bytes] = (),
) -> bytes:
    """Return a file of samples (H, W, C), with chunks before and after its pixels."""
    height, width, _ = samples.shape
    header = struct.pack(">2I5B", width, height, depth, colour_type, 0, 0, interlaced)
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(
        b"\0" + pack_row(row.ravel(), depth, ">")
        for x, y, dx, dy in passes
        for row in samples[y::dy, x::dx]
        if row.size
    )
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *before,
            png_chunk(b"IDAT", zlib.compress(rows)),
            *after,
            png_chunk(b"IEND", b""),
        )
    )


def png_chunk(name: bytes, content: bytes) -> bytes:
    """Return one chunk with its length and checksum."""
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )
