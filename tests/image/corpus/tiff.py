"""TIFF files, written byte by byte (TIFF 6.0)."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np

from .picture import Samples

NONE, CCITT, GROUP3, GROUP4, LZW, OLD_JPEG, JPEG, DEFLATE = 1, 2, 3, 4, 5, 6, 7, 8
PACKBITS, OLD_DEFLATE, ZSTD = 32_773, 32_946, 50_000
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, MASK, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 4, 5, 6, 8


@dataclass(frozen=True)
class Tiff:
    """How samples are stored; the tags of TIFF 6.0."""

    photometric: int = RGB
    bits: int = 8
    sample_format: int = 1
    planar: int = 1
    compression: int = NONE
    predictor: int = 1
    tile: int = 0
    rows_per_strip: int = 0
    order: str = "<"
    fill_order: int = 1
    extra: Sequence[int] = ()
    orientation: int = 1
    tags: Mapping[int, Sequence[int]] = field(default_factory=dict)
    next_directory: int = 0


def encode_tiff(samples: Samples, options: Tiff = Tiff(), start: int = 8) -> bytes:
    """Return a file with one page of samples (H, W, C).

    With ``start`` above 8 it is a page to be put behind others at that place.
    """
    head = struct.pack(f"{options.order}2sHI", b"II" if options.order == "<" else b"MM", 42, start)
    if start > 8:
        head = b""
    height, width, channels = samples.shape
    pieces = _encode_pieces(samples, options)
    tags: dict[int, tuple[int, Sequence[int]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [options.bits] * channels),
        259: (3, [options.compression]),
        262: (3, [options.photometric]),
        266: (3, [options.fill_order]),
        274: (3, [options.orientation]),
        277: (3, [channels]),
        284: (3, [options.planar]),
        317: (3, [options.predictor]),
        339: (3, [options.sample_format] * channels),
    }
    if options.tile:
        tags |= {322: (4, [options.tile]), 323: (4, [options.tile])}
    else:
        tags[278] = (4, [options.rows_per_strip or height])
    if options.extra:
        tags[338] = (3, options.extra)
    tags |= {number: (3, values) for number, values in options.tags.items()}
    offsets, counts = (324, 325) if options.tile else (273, 279)
    tags[counts] = (4, [len(piece) for piece in pieces])
    tags[offsets] = (4, [0] * len(pieces))
    data_at = start + 2 + 12 * len(tags) + 4
    extra_bytes = sum(
        size + size % 2 for kind, values in tags.values() if (size := _measure(kind, values)) > 4
    )
    at, where = data_at + extra_bytes, []
    for piece in pieces:
        where.append(at)
        at += len(piece)
    tags[offsets] = (4, where)
    entries, extra = b"", b""
    for number, (kind, values) in sorted(tags.items()):
        packed = struct.pack(f"{options.order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(packed) > 4:
            place = struct.pack(f"{options.order}I", data_at + len(extra))
            extra += packed + bytes(len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        entries += struct.pack(f"{options.order}2HI", number, kind, len(values)) + place
    directory = struct.pack(f"{options.order}H", len(tags)) + entries
    directory += struct.pack(f"{options.order}I", options.next_directory)
    return head + directory + extra + b"".join(pieces)


def join_pages(*pages: tuple[Samples, Tiff]) -> bytes:
    """Return a file of several pages in their order."""
    file = b""
    for index, (samples, options) in enumerate(pages):
        start = len(file) or 8
        length = len(encode_tiff(samples, options, start))
        end = len(file) + length + length % 2
        following = end if index + 1 < len(pages) else 0
        page = encode_tiff(samples, replace(options, next_directory=following), start)
        file += page + bytes(length % 2)
    return file


def _measure(kind: int, values: Sequence[int]) -> int:
    return len(values) * (2 if kind == 3 else 4)


def _encode_pieces(samples: Samples, options: Tiff) -> list[bytes]:
    height, width, channels = samples.shape
    rows = options.tile or options.rows_per_strip or height
    columns = options.tile or width
    planes = (
        [samples[..., index : index + 1] for index in range(channels)]
        if options.planar == 2
        else [samples]
    )
    pieces = []
    for plane in planes:
        for top in range(0, height, rows):
            for left in range(0, width, columns):
                piece = plane[top : top + rows, left : left + columns]
                if options.tile:
                    missing = rows - piece.shape[0], columns - piece.shape[1]
                    piece = np.pad(piece, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")
                pieces.append(_encode_piece(piece, options))
    return pieces


def _encode_piece(piece: Samples, options: Tiff) -> bytes:
    if options.predictor == 2:
        first = np.zeros_like(piece[:, :1])
        piece = np.diff(piece.astype(np.int64), axis=1, prepend=first) % 2**options.bits
    rows = [pack_row(row.ravel(), options.bits, options.order) for row in piece]
    if options.fill_order == 2:
        rows = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in row) for row in rows]
    if options.compression in {DEFLATE, OLD_DEFLATE}:
        return zlib.compress(b"".join(rows))
    if options.compression == PACKBITS:
        return b"".join(map(_pack_runs, rows))
    if options.compression == LZW:
        return _encode_lzw(b"".join(rows))
    return b"".join(rows)


def pack_row(row: Samples, bits: int, order: str) -> bytes:
    """Return samples packed from the highest bit on, padded to whole bytes."""
    if bits in {8, 16, 32}:
        return row.astype(f"{order}u{bits // 8}").tobytes()
    text = "".join(f"{sample:0{bits}b}" for sample in row.tolist())
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _pack_runs(row: bytes) -> bytes:
    packed = b""
    for value, run in groupby(row):
        length = len(list(run))
        while length > 0:
            part = min(length, 128)
            packed += bytes([257 - part if part > 1 else 0, value])
            length -= part
    return packed


def _encode_lzw(data: bytes) -> bytes:
    """Return codes of 9 bits that clear the table before it grows."""
    codes = []
    for at in range(0, len(data), 200):
        codes += [256, *data[at : at + 200]]
    codes.append(257)
    text = "".join(f"{code:09b}" for code in codes)
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")
