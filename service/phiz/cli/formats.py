"""The output of ``phiz detect`` and ``phiz classify``: a table, JSON lines or CSV."""

import csv
import json
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import click

from phiz.timings import Timings

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Layout(Generic[ResultT]):
    """How results of one kind are shown.

    Attributes:
        what: The results in words, for errors.
        encode: Returns a result as the HTTP interface answers it, without timings.
        csv_columns: Columns of CSV after the file.
        list_rows: Returns the rows of CSV of a result, by column.
        table_columns: Columns of the table between the file and the time.
        text_columns: Those of them that are no numbers.
        list_cells: Returns the rows of the table of a result.
    """

    what: str
    encode: Callable[[ResultT], Mapping[str, Any]]
    csv_columns: Sequence[str]
    list_rows: Callable[[ResultT], Iterable[Mapping[str, str | float]]]
    table_columns: Sequence[str]
    text_columns: frozenset[str]
    list_cells: Callable[[ResultT], Iterable[Sequence[str]]]


class Report(ABC, Generic[ResultT]):
    """Prints results one by one, or all of them when it is closed.

    Attributes:
        is_buffered: Whether nothing is printed before it is closed.
    """

    is_buffered: ClassVar[bool] = False

    def __init__(self, layout: Layout[ResultT]) -> None:
        self.layout = layout

    @abstractmethod
    def add(self, file: str, result: ResultT, timings: Timings) -> None:
        """Take the result of one file."""

    def close(self) -> None:
        """Print the rest."""
        sys.stdout.flush()


class JsonReport(Report[ResultT]):
    """A line for each image: the answer of the HTTP interface, and the file."""

    def add(self, file: str, result: ResultT, timings: Timings) -> None:
        """Print one line."""
        answer = {"file": file, **self.layout.encode(result)}
        click.echo(json.dumps({**answer, "timing_ms": timings.to_milliseconds()}))


class CsvReport(Report[ResultT]):
    """A header, then the rows of each image, without timings."""

    def __init__(self, layout: Layout[ResultT]) -> None:
        super().__init__(layout)
        columns = ("file", *layout.csv_columns)
        self._writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n")
        self._writer.writeheader()

    def add(self, file: str, result: ResultT, timings: Timings) -> None:  # noqa: ARG002  see above
        """Print the rows of one image."""
        self._writer.writerows({"file": file, **row} for row in self.layout.list_rows(result))
        sys.stdout.flush()


class TableReport(Report[ResultT]):
    """A table for people."""

    is_buffered: ClassVar[bool] = True

    def __init__(self, layout: Layout[ResultT]) -> None:
        super().__init__(layout)
        self._rows: list[Sequence[str]] = []

    def add(self, file: str, result: ResultT, timings: Timings) -> None:
        """Take the rows of one image; the first has its name and its time."""
        name, milliseconds = file, f"{1000 * timings.total_s:.1f}"
        for cells in self.layout.list_cells(result):
            self._rows.append((name, *cells, milliseconds))
            name, milliseconds = "", ""

    def close(self) -> None:
        """Print the table."""
        from phiz.cli.tables import print_table  # noqa: PLC0415  slow to load, seldom needed

        columns = ("file", *self.layout.table_columns, "ms")
        print_table(columns, self._rows, {"file", *self.layout.text_columns}, has_rule=True)
        super().close()


_REPORTS: dict[str, Callable[[Layout[Any]], Report[Any]]] = {
    "table": TableReport,
    "json": JsonReport,
    "csv": CsvReport,
}


def open_report(layout: Layout[ResultT], format_name: str | None) -> Report[ResultT]:
    """Return the report of a format; without one, a table on a terminal, else JSON.

    Raises:
        ClickException: Standard output cannot be written.
    """
    chosen = format_name or ("table" if sys.stdout.isatty() else "json")
    with guard_stdout(layout.what):
        return _REPORTS[chosen](layout)


@contextmanager
def guard_stdout(what: str) -> Iterator[None]:
    """End the command if standard output cannot be written, because no image is to blame."""
    try:
        yield
    except OSError as error:
        # The rest of the buffer would be tried again, and fail again, at the very end.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123  a device, not a path
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has had enough
            raise click.exceptions.Exit(1) from None
        raise click.ClickException(f"cannot write {what}: {error.strerror}") from error
