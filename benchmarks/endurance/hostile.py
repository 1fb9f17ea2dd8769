"""Images that cost far more than their bytes."""

import io
import struct
import zlib
from typing import Final

from PIL import Image as Pillow

from benchmarks.kit.requests import PICTURES

WEBP_34_BYTES: Final = bytes.fromhex(
    "524946461a000000574542505650384c0e0000002ffeffed02071011fd0f4444ff03"
)
"""A valid WebP of 16,383 × 3,000 in one colour."""

FACE_LTRB: Final = (60, 120, 300, 440)  # of the test picture
PAVED_PX: Final = 2000
PAVED_FACE_PX: Final = (48, 64)
COLOURS: Final = 64
THIN_PX: Final = 24_000_000  # within the limit of pixels


def encode_paved_png() -> bytes:
    """Return a PNG of 2,000 × 2,000 in 84 kB, with a face every 48 × 64 pixels."""
    with Pillow.open(PICTURES / "selfie_360x640.png") as opened:
        face = opened.convert("RGB").crop(FACE_LTRB).resize(PAVED_FACE_PX)
    canvas, file = Pillow.new("RGB", (PAVED_PX, PAVED_PX)), io.BytesIO()
    for left in range(0, PAVED_PX, face.width):
        for top in range(0, PAVED_PX, face.height):
            canvas.paste(face, (left, top))
    canvas.quantize(COLOURS).save(file, "PNG", optimize=True)
    return file.getvalue()


def encode_thin_png() -> bytes:
    """Return a grey PNG of 24 million × 1 pixels in 24 kB."""
    header = struct.pack(">IIBBBBB", THIN_PX, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(THIN_PX + 1), 9)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
