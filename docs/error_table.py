"""Writes the table of errors in http.md.

python docs/error_table.py
"""

from pathlib import Path
from typing import Final

from phiz.api.error_table import format_error_table

PAGE: Final = Path(__file__).with_name("http.md")


def replace_table(text: str) -> str:
    """Return the text of the page with the table of today."""
    before, heading, rest = text.partition("\n## Errors\n")
    start = rest.index("\n| status |") + 1
    end = rest.index("\n\n", start)
    return f"{before}{heading}{rest[:start]}{format_error_table()}{rest[end:]}"


if __name__ == "__main__":
    PAGE.write_text(replace_table(PAGE.read_text("utf-8")), "utf-8")
