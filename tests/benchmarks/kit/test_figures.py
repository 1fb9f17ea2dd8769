import json
from pathlib import Path

import click
import pytest

from benchmarks.kit.figures import format_table, replace_block, update_json

PAGE = "Above.\n\n<!-- speed -->\n\nold\n\n<!-- /speed -->\n\nBelow.\n"


def test_each_keeps_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    update_json(path, {"rounds": 9, "goals": [1, 2]})
    update_json(path, {"soak": {"last_mb": 203.0}})
    update_json(path, {"goals": [3]})
    assert json.loads(path.read_text()) == {"rounds": 9, "goals": [3], "soak": {"last_mb": 203.0}}


def test_a_block_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    replace_block(path, "speed", "new\n")
    assert path.read_text() == PAGE.replace("old", "new")
    replace_block(path, "speed", "old\n")
    assert path.read_text() == PAGE


@pytest.mark.parametrize("page", ["", "<!-- soak -->\n\nold\n", PAGE], ids=["empty", "open", "no"])
def test_a_page_without_the_place_is_left_alone(tmp_path: Path, page: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(click.BadParameter, match=r"no lines <!-- soak --> and <!-- /soak -->"):
        replace_block(path, "soak", "new\n")
    assert path.read_text() == page


def test_a_table_has_a_line_below_its_headings() -> None:
    assert format_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
