"""Tables on a terminal."""

from collections.abc import Collection, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    text_columns: Collection[str],
    *,
    has_rule: bool = False,
) -> None:
    """Print a table on standard output.

    Args:
        columns: Their headings.
        rows: Their cells, as many as columns.
        text_columns: Headings of the columns that are aligned left; numbers are aligned right.
        has_rule: Whether a line is drawn below the headings.
    """
    table = Table(box=box.SIMPLE_HEAD if has_rule else None, pad_edge=has_rule)
    for name in columns:
        table.add_column(name, justify="left" if name in text_columns else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as text, because a file's name may look like markup
    Console().print(table)
