"""The map of the code, held against the code."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
import rooms

from tests.browser import open_browser
from tests.test_rooms import LEVEL, ROOT

from .pages import PAGES
from .pages import ROOT as REPOSITORY

ARCHITECTURE = PAGES["docs/architecture.md"].text
NAMED = {
    (name, path)
    for page in ("docs/architecture.md", "CONTRIBUTING.md")
    for name, path in re.findall(r"`([\w.]+)`\s+in\s+`(/?[\w/]+\.py)`", PAGES[page].text)
}
MAX_TERMS = 25
# Those that are neither wholly within a box nor wholly outside, with 4 px at its sides.
CROSSING_TEXTS = """(() => {
  const boxes = [...document.querySelectorAll("rect")].map((box) => box.getBBox());
  const crosses = (text, box) => {
    const dx = 4;
    const isOutside = text.x >= box.x + box.width + dx || text.x + text.width + dx <= box.x
      || text.y >= box.y + box.height || text.y + text.height <= box.y;
    const isInside = text.x >= box.x + dx && text.x + text.width + dx <= box.x + box.width
      && text.y >= box.y && text.y + text.height <= box.y + box.height;
    return !isOutside && !isInside;
  };
  return [...document.querySelectorAll("text")]
    .filter((text) => boxes.some((box) => crosses(text.getBBox(), box)))
    .map((text) => text.textContent);
})()"""


@cache
def names_of(path: str) -> set[str]:
    """What a file defines at its top level, and in its classes after their names."""
    file = REPOSITORY / path[1:] if path.startswith("/") else ROOT / path
    found: set[str] = set()
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{name}" for each in node.body for name in _defined(each)}
        found |= _defined(node)
    return found


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.mark.parametrize(("name", "path"), sorted(NAMED))
def test_names_of_the_page_are_in_the_file_it_names(name: str, path: str) -> None:
    assert name in names_of(path)


def test_much_is_named() -> None:
    assert len(NAMED) > 40


def test_the_picture_is_what_draws_it() -> None:
    drawn = (REPOSITORY / "docs" / "rooms.svg").read_text("utf-8")
    assert drawn == rooms.draw_rooms(), "run: python docs/rooms.py > docs/rooms.svg"


@pytest.mark.integration
@pytest.mark.needs("chromium")
def test_no_text_of_the_picture_crosses_the_edge_of_a_box(tmp_path: Path) -> None:
    with open_browser(tmp_path) as browser:
        browser.open((REPOSITORY / "docs" / "rooms.svg").as_uri())
        assert browser.evaluate("document.querySelectorAll('text').length") > 40
        assert browser.evaluate(CROSSING_TEXTS) == []


def test_the_picture_has_the_rooms_in_their_order() -> None:
    shown = {room.name.rstrip("/"): place for place, row in enumerate(rooms.ROWS) for room in row}
    levels = {room.split(".")[0]: level for room, level in LEVEL.items() if room != "__main__"}
    assert shown.keys() == levels.keys()
    for upper, above in shown.items():
        for lower, below in shown.items():
            assert above >= below or levels[upper] >= levels[lower], f"{upper} is above {lower}"
    for room in (room for row in rooms.ROWS for room in row):
        assert room.name.endswith("/") == (ROOT / room.name).is_dir()


def test_the_glossary_is_short_and_sorted() -> None:
    _, _, glossary = ARCHITECTURE.partition("\n## Glossary\n")
    terms = re.findall(r"^\| ([a-z][^|]+) \| [^|]+ \|$", glossary, re.MULTILINE)[1:]
    assert 0 < len(terms) <= MAX_TERMS
    assert terms == sorted(terms)
