import struct
import zlib
from typing import Any

import numpy as np
import pytest

from phiz.errors import CatalogError
from phiz.lab.accuracy.matfile import read_mat

HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H", 0x0100) + b"IM"


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def small(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content.ljust(4, b"\0")


def matrix(kind: int, shape: tuple[int, int], *parts: bytes, name: str = "") -> bytes:
    flags = element(6, struct.pack("<II", kind, 0))
    dimensions = element(5, struct.pack("<2i", *shape))
    return element(14, flags + dimensions + element(1, name.encode()) + b"".join(parts))


def text(value: str) -> bytes:
    return matrix(4, (1, len(value)), element(4, value.encode("utf-16-le")))


def numbers(*values: float, name: str = "") -> bytes:
    content = struct.pack(f"<{len(values)}d", *values)
    return matrix(6, (len(values), 1), element(9, content), name=name)


def cells(*values: bytes, name: str = "") -> bytes:
    return matrix(1, (len(values), 1), *values, name=name)


def file(*variables: bytes) -> bytes:
    return HEADER + b"".join(variables)


def test_numbers_keep_their_shape() -> None:
    pairs = matrix(6, (2, 3), element(9, struct.pack("<6d", 1, 4, 2, 5, 3, 6)), name="pairs")
    (value,) = read_mat(file(pairs)).values()
    np.testing.assert_array_equal(value, [[1, 2, 3], [4, 5, 6]])


def test_numbers_may_be_stored_small() -> None:
    # MATLAB stores whole numbers of a double array in as few bytes as they need.
    variable = matrix(6, (2, 1), small(2, bytes([7, 9])), name="list")
    assert read_mat(file(variable))["list"].tolist() == [[7], [9]]


@pytest.mark.parametrize("kind", [1, 16], ids=["bytes", "utf-8"])
def test_texts_may_be_stored_otherwise(kind: int) -> None:
    variable = matrix(4, (1, 3), small(kind, b"abc"), name="word")
    assert read_mat(file(variable)) == {"word": "abc"}


def test_cells_are_lists() -> None:
    variable = cells(text("0--Parade"), cells(text("a"), element(14, b"")), name="list")
    event, (name, empty) = read_mat(file(variable))["list"]
    assert (event, name) == ("0--Parade", "a")
    assert empty.size == 0


def test_variables_may_be_compressed() -> None:
    packed = zlib.compress(numbers(1, 2, name="first"))
    # What is compressed is not padded.
    variable = struct.pack("<II", 15, len(packed)) + packed
    found = read_mat(file(variable, numbers(3, name="second")))
    assert found["first"].ravel().tolist() == [1, 2]
    assert found["second"].ravel().tolist() == [3]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param(b"", "not a MATLAB file", id="empty"),
        pytest.param(b"\x89HDF\r\n".ljust(200), "not a MATLAB file", id="level 7.3"),
        pytest.param(file(numbers(1, name="a"))[:-3], "cut short", id="cut"),
        pytest.param(file(element(15, b"no zlib")), "damaged", id="not compressed"),
        pytest.param(file(element(14, element(6, bytes(8)))), "damaged", id="no shape"),
        pytest.param(file(matrix(2, (1, 1), name="a")), "class 2", id="structure"),
        pytest.param(file(matrix(6, (1, 1), name="a")), "damaged", id="no numbers"),
        pytest.param(file(matrix(6, (2, 2), small(2, b"abc"))), "damaged", id="too few numbers"),
        pytest.param(file(matrix(6, (1, 1), element(14, b""))), "type 14", id="no type of numbers"),
    ],
)
def test_what_is_not_read(content: bytes, what: str) -> None:
    with pytest.raises(CatalogError, match=what):
        read_mat(content)


def test_the_other_byte_order() -> None:
    order: dict[str, Any] = {"flags": struct.pack(">II", 6, 0), "shape": struct.pack(">2i", 1, 1)}
    inner = b"".join(
        [
            struct.pack(">II", 6, 8) + order["flags"],
            struct.pack(">II", 5, 8) + order["shape"],
            struct.pack(">HH", 1, 1) + b"a\0\0\0",
            struct.pack(">II", 9, 8) + struct.pack(">d", 2.5),
        ]
    )
    content = HEADER[:-4] + struct.pack(">H", 0x0100) + b"MI" + struct.pack(">II", 14, len(inner))
    assert read_mat(content + inner)["a"].tolist() == [[2.5]]
