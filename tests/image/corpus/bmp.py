"""BMP files, written byte by byte (Microsoft's BITMAPINFOHEADER and its successors)."""

import struct
from collections.abc import Sequence

import numpy as np

from .picture import Samples
from .tiff import pack_row

PLAIN, RLE8, RLE4, BITFIELDS, JPEG, PNG, ALPHA_BITFIELDS = range(7)


def encode_bmp(
    words: Samples,
    bits: int,
    *,
    header_bytes: int = 40,
    compression: int = PLAIN,
    masks: Sequence[int] = (),
    palette: Sequence[tuple[int, int, int]] = (),
    top_down: bool = False,
) -> bytes:
    """Return a file of words (H, W, 1), each a pixel of 1 to 32 bits.

    The masks follow a header of 40 bytes and are in larger ones.
    """
    height, width, _ = words.shape
    rows = []
    for row in words[..., 0]:
        if bits == 24:
            packed = row.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        else:
            packed = pack_row(row, bits, "<")
        rows.append(packed + bytes(-len(packed) % 4))
    pixels = b"".join(rows if top_down else rows[::-1])
    if header_bytes == 12:
        header = struct.pack("<I4H", 12, width, height, 1, bits)
        colours = b"".join(struct.pack("3B", *colour[::-1]) for colour in palette)
    else:
        signed = -height if top_down else height
        fields = struct.pack(
            "<I2i2H6I",
            header_bytes,
            width,
            signed,
            1,
            bits,
            compression,
            len(pixels),
            0,
            0,
            len(palette),
            0,
        )
        channels = b"".join(struct.pack("<I", mask) for mask in masks)
        header = (fields + channels).ljust(header_bytes, b"\0")
        colours = b"".join(struct.pack("4B", *colour[::-1], 0) for colour in palette)
    start = 14 + len(header) + len(colours)
    return (
        struct.pack("<2sI2HI", b"BM", start + len(pixels), 0, 0, start) + header + colours + pixels
    )


def pack_words(samples: Samples, masks: Sequence[int], bits: int = 8) -> Samples:
    """Return samples (H, W, C) of some bits as words (H, W, 1) with each channel under its mask."""
    words = np.zeros(samples.shape[:2], np.uint32)
    for channel, mask in enumerate(masks):
        if not mask:
            continue
        shift = (mask & -mask).bit_length() - 1
        largest = mask >> shift
        scaled = np.rint(samples[..., channel] * (largest / (2**bits - 1))).astype(np.uint32)
        words |= scaled << shift
    return words[..., None]
