"""Reads the parts of PNG and GIF files before Pillow opens them.

Opening alone can cost unbounded memory or time. Functions that walk through a file yield one part
at a time, so that callers can stop early. Damage is not an error here; the decoder reports it.

Sources: the PNG specification (third edition) section 5, the GIF89a specification.
"""

import struct
from collections import deque
from collections.abc import Iterator


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
