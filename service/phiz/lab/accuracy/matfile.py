"""MATLAB files of level 5: cells, texts and real numbers, which is what WIDER FACE's lists hold.

The format is that of "MAT-File Format" (The MathWorks), chapter "Level 5 MAT-File Format".
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from phiz.errors import CatalogError

HEADER_BYTES: Final = 128
ORDER_AT: Final = 126
ALIGNMENT: Final = 8
SMALL_BYTES: Final = 4  # an element of no more lies in its own tag

MATRIX, COMPRESSED, UTF8 = 14, 15, 16
NUMBER_DTYPES: Final = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
    UTF8: "u1", 17: "u2", 18: "u4",
}  # fmt: skip
"""How numbers are stored, by the type of an element."""
CELL_CLASS, TEXT_CLASS = 1, 4
NUMERIC_CLASSES: Final = range(6, 16)
"""Classes of arrays."""


def read_mat(content: bytes) -> dict[str, Any]:
    """Return the variables of a file by name.

    A cell array is a list of its values, column after column, a text a str, and numbers are an
    array of their shape.

    Raises:
        CatalogError: It is not such a file, or holds something else.
    """
    order = {b"IM": "<", b"MI": ">"}.get(content[ORDER_AT:HEADER_BYTES])
    if order is None:
        raise CatalogError("it is not a MATLAB file of level 5")
    try:
        return dict(_iterate_variables(content[HEADER_BYTES:], order))
    except (struct.error, zlib.error, ValueError, IndexError) as error:
        raise CatalogError(f"it is a damaged MATLAB file: {error}") from error


def _iterate_variables(data: bytes, order: str) -> Iterator[tuple[str, Any]]:
    for kind, content in _iterate_elements(data, order):
        if kind == COMPRESSED:
            yield from _iterate_variables(zlib.decompress(content), order)
        elif kind == MATRIX:
            yield _parse_matrix(content, order)


def _iterate_elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of the elements that follow each other."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        small = kind >> 16
        if small:
            yield kind & 0xFFFF, data[at + SMALL_BYTES : at + SMALL_BYTES + small]
            at += ALIGNMENT
            continue
        begin = at + ALIGNMENT
        if begin + size > len(data):
            raise ValueError("it is cut short")
        yield kind, data[begin : begin + size]
        # What is compressed is followed by the next at once.
        at = begin + size + (0 if kind == COMPRESSED else -size % ALIGNMENT)


def _parse_matrix(content: bytes, order: str) -> tuple[str, Any]:
    """Return name and value of an array."""
    if not content:  # a cell that nothing was put into
        return "", np.zeros((0, 0))
    (_, flags), (_, shape), (_, name), *rest = _iterate_elements(content, order)
    kind = struct.unpack_from(f"{order}I", flags)[0] & 0xFF
    if kind == CELL_CLASS:
        value: Any = [_parse_matrix(cell, order)[1] for _, cell in rest]
    elif kind == TEXT_CLASS:
        value = _parse_text(*rest[0], order)
    elif kind in NUMERIC_CLASSES:
        numbers = _parse_array(*rest[0], order)
        value = numbers.reshape(np.frombuffer(shape, f"{order}i4"), order="F")
    else:
        raise CatalogError(f"it holds an array of class {kind}, which is not read here")
    return name.decode("ascii"), value


def _parse_text(kind: int, content: bytes, order: str) -> str:
    if kind == UTF8:
        return content.decode("utf-8")
    return "".join(map(chr, _parse_array(kind, content, order).tolist()))


def _parse_array(kind: int, content: bytes, order: str) -> Any:  # noqa: ANN401  numpy's, of any type
    if kind not in NUMBER_DTYPES:
        raise CatalogError(f"it holds numbers of type {kind}, which are not read here")
    return np.frombuffer(content, order + NUMBER_DTYPES[kind])
