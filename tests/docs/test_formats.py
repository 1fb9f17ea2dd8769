import formats

from .pages import PAGES


def test_page_of_formats_is_written_from_the_table() -> None:
    written = formats.write_page().rstrip() + "\n"
    assert PAGES["docs/formats.md"].text == written, "run: python docs/formats.py > docs/formats.md"
