import json
from pathlib import Path

import click
import pytest

from benchmarks.kit import report
from benchmarks.kit.goals import Goal
from benchmarks.load.closed import ClosedLoopResult

PAGE = "Above.\n\n<!-- speed -->\n\nold\n\n<!-- /speed -->\n\nBelow.\n"
GOALS = [Goal("a", 0.5, "≤", 0.95, against="b"), Goal("c", 2.0)]


def test_goal_table_leaves_out_empty_columns() -> None:
    columns = [str(column.header) for column in report.build_goal_table(GOALS).columns]
    assert columns == ["what", "against", "figure", "goal", "verdict"]


def test_goals_in_a_document_have_no_empty_fields() -> None:
    first = {"what": "a", "figure": 0.5, "sense": "≤", "limit": 0.95, "against": "b"}
    assert report.goals_to_document(GOALS) == [
        {**first, "clock": "wall", "reached": True},
        {"what": "c", "figure": 2.0, "sense": "≤", "clock": "wall", "reached": None},
    ]


def test_medians_are_of_the_floats_that_all_rows_have() -> None:
    rows = [ClosedLoopResult(rate, 1, 1, 1, 1, rate, None) for rate in (3.0, 1.0, 2.0)]
    assert report.compute_medians(rows) == ClosedLoopResult(2, 1, 1, 1, 1, 2, None)


def test_goal_missed_by_processor_time_ends_with_its_line() -> None:
    missed = Goal("a", 0.4, "≤", 0.25, clock="processor")
    with pytest.raises(SystemExit, match=r"MISSED BY PROCESSOR TIME: 1\n  a: 0.4 where .* ≤ 0.25"):
        report.end_if_missed([missed, *GOALS])


def test_goal_missed_by_the_wall_alone_does_not_end_anything() -> None:
    report.end_if_missed(
        [
            Goal("a", 0.4, "≤", 0.25),
            Goal("b", 0.2, "≤", 0.25, clock="processor", wall=0.4, wall_rounds=[0.4]),
            Goal("c", 0.4, clock="processor"),
        ]
    )


def test_figures_are_rounded_at_any_depth() -> None:
    assert report.round_figures({"a": [0.123456, ("b", 1)]}) == {"a": [0.1235, ["b", 1]]}


def test_disturbance_is_the_share_without_the_processor() -> None:
    runs = [{"wall": 2.0, "processor": 2.0}, {"wall": 2.0, "processor": 1.0}]
    assert report.compute_disturbance(runs) == 0.25
    assert report.compute_disturbance([{"wall": 1.0, "processor": 1.1}]) == 0


def test_each_keeps_what_others_wrote(tmp_path: Path) -> None:
    path = tmp_path / "all.json"
    report.update_json(path, {"rounds": 9, "goals": [1, 2]})
    report.update_json(path, {"soak": {"last_mb": 203.0}})
    report.update_json(path, {"goals": [3]})
    assert json.loads(path.read_text()) == {"rounds": 9, "goals": [3], "soak": {"last_mb": 203.0}}


def test_a_block_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    report.replace_block(path, "speed", "new\n")
    assert path.read_text() == PAGE.replace("old", "new")
    report.replace_block(path, "speed", "old\n")
    assert path.read_text() == PAGE


@pytest.mark.parametrize("page", ["", "<!-- soak -->\n\nold\n", PAGE], ids=["empty", "open", "no"])
def test_a_page_without_the_place_is_left_alone(tmp_path: Path, page: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(page)
    with pytest.raises(click.BadParameter, match=r"no lines <!-- soak --> and <!-- /soak -->"):
        report.replace_block(path, "soak", "new\n")
    assert path.read_text() == page


def test_a_table_has_a_line_below_its_headings() -> None:
    assert report.format_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
