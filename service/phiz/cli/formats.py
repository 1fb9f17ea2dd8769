"""What ``phiz detect`` prints of its results: a table, JSON lines or CSV."""

import csv
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Protocol

import click

if TYPE_CHECKING:
    from phiz.engine import DetectionResult
    from phiz.faces import Face
    from phiz.timings import Timings

LANDMARK_COLUMNS = (
    "left_eye",
    "right_eye",
    "nose",
    "mouth",
    "mouth_left",
    "mouth_right",
    "left_ear",
    "right_ear",
)
"""Every landmark that some model gives; CSV has a column for each."""

_COLUMNS = (
    *("file", "model", "score", "x", "y", "width", "height"),
    *(f"{name}_{axis}" for name in LANDMARK_COLUMNS for axis in "xy"),
)


class FaceReport(Protocol):
    """Takes results one by one.

    Attributes:
        is_buffered: It prints nothing before it is closed.
    """

    is_buffered: ClassVar[bool]

    def add(self, file: str, result: "DetectionResult", timings: "Timings") -> None:
        """Take the result of one file."""

    def close(self) -> None:
        """Print what is left."""


class JsonReport:
    """One line for each picture: the answer of the HTTP interface, and the file."""

    is_buffered: ClassVar[bool] = False

    def add(self, file: str, result: "DetectionResult", timings: "Timings") -> None:
        """Print one line."""
        from phiz.wire.encode import encode_result  # noqa: PLC0415  slow to load, and not always needed

        answer = {"file": file, **encode_result(result), "timing_ms": timings.to_milliseconds()}
        click.echo(json.dumps(answer))

    def close(self) -> None:
        """Do nothing: all is printed."""


class CsvReport:
    """A header, then one row for each face; a landmark that the model has not is empty."""

    is_buffered: ClassVar[bool] = False

    def __init__(self) -> None:
        self._writer = csv.DictWriter(sys.stdout, _COLUMNS, lineterminator="\n")
        self._writer.writeheader()

    def add(self, file: str, result: "DetectionResult", timings: "Timings") -> None:  # noqa: ARG002  the rows have no times
        """Print the rows of one picture."""
        self._writer.writerows(_build_row(file, face) for face in result.faces)
        sys.stdout.flush()

    def close(self) -> None:
        """Do nothing: all is printed."""


def _build_row(file: str, face: "Face") -> dict[str, str | float]:
    x1, y1, x2, y2 = face.box
    row: dict[str, str | float] = {
        "file": file,
        "model": face.model,
        "score": round(face.score, 4),
        "x": round(x1, 2),
        "y": round(y1, 2),
        "width": round(x2 - x1, 2),
        "height": round(y2 - y1, 2),
    }
    for name, (x, y) in face.landmarks.items():
        row[f"{name}_x"], row[f"{name}_y"] = round(x, 2), round(y, 2)
    return row


class TableReport:
    """A table for people: one row for each face, and one for a picture without any."""

    is_buffered: ClassVar[bool] = True

    def __init__(self) -> None:
        from rich.box import SIMPLE_HEAD  # noqa: PLC0415  slow to load, and seldom needed
        from rich.table import Table  # noqa: PLC0415

        names = ("file", "face", "score", "x", "y", "width", "height", "model", "ms")
        self._table = Table(*names, box=SIMPLE_HEAD)
        self._table.columns[0].overflow = "fold"
        for column in (1, 2, 3, 4, 5, 6, 8):
            self._table.columns[column].justify = "right"

    def add(self, file: str, result: "DetectionResult", timings: "Timings") -> None:
        """Take the rows of one picture."""
        from rich.text import Text  # noqa: PLC0415  see above

        # As text, because a file's name may look like markup.
        first = Text(file), f"{1000 * timings.total_s:.1f}"
        if not result.faces:
            self._table.add_row(first[0], "none", *[""] * 6, first[1])
        for number, face in enumerate(result.faces, 1):
            x1, y1, x2, y2 = face.box
            numbers = (round(number) for number in (x1, y1, x2 - x1, y2 - y1))
            name, milliseconds = first if number == 1 else ("", "")
            self._table.add_row(
                name,
                str(number),
                f"{face.score:.2f}",
                *map(str, numbers),
                face.model,
                milliseconds,
            )

    def close(self) -> None:
        """Print the table."""
        from rich.console import Console  # noqa: PLC0415  see above

        Console().print(self._table)


REPORTS: dict[str, Callable[[], FaceReport]] = {
    "table": TableReport,
    "json": JsonReport,
    "csv": CsvReport,
}
