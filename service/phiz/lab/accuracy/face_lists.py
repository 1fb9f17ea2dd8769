"""Texts that list photographs and their faces, as WIDER FACE and FDDB are distributed.

A photograph has a line with its path, a line with the number of its faces, and a line of numbers
for each of them.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from phiz.errors import CatalogError


def parse_face_list(text: str, width: int) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Yield the path of each photograph, and the numbers of its faces (F, width).

    WIDER FACE has a line of zeros for a photograph without faces; it is skipped.

    Raises:
        CatalogError: It breaks off, or a line is not as it should be.
    """
    lines = iter([line for line in map(str.strip, text.splitlines()) if line])
    for path in lines:
        if set(path.split()) == {"0"}:
            continue
        count = next(lines, "")
        if not count.isdecimal():
            raise CatalogError(f"after {path} comes {count!r}, not a number of faces")
        faces = [_parse_face(path, next(lines, ""), width) for _ in range(int(count))]
        yield path, np.array(faces).reshape(-1, width)


def _parse_face(path: str, line: str, width: int) -> NDArray[np.float64]:
    try:
        numbers = np.array(line.split(), np.float64)
    except ValueError:
        numbers = np.zeros(0)
    if len(numbers) != width:
        raise CatalogError(f"{path} has {line!r}, not the {width} numbers of a face")
    return numbers
