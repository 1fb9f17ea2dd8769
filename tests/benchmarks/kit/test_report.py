from benchmarks.kit.goals import Goal
from benchmarks.kit.report import (
    build_goal_table,
    compute_disturbance,
    goals_to_document,
    round_figures,
)

GOALS = [Goal("a", 0.5, "≤", 0.95, against="b"), Goal("c", 2.0)]


def test_goal_table_leaves_out_empty_columns() -> None:
    columns = [str(column.header) for column in build_goal_table(GOALS).columns]
    assert columns == ["what", "against", "figure", "goal", "verdict"]


def test_goals_in_a_document_have_no_empty_fields() -> None:
    assert goals_to_document(GOALS) == [
        {"what": "a", "figure": 0.5, "sense": "≤", "limit": 0.95, "against": "b", "reached": True},
        {"what": "c", "figure": 2.0, "sense": "≤", "reached": None},
    ]


def test_figures_are_rounded_at_any_depth() -> None:
    assert round_figures({"a": [0.123456, ("b", 1)]}) == {"a": [0.1235, ["b", 1]]}


def test_disturbance_is_the_share_without_the_processor() -> None:
    runs = [{"wall": 2.0, "processor": 2.0}, {"wall": 2.0, "processor": 1.0}]
    assert compute_disturbance(runs) == 0.25
    assert compute_disturbance([{"wall": 1.0, "processor": 1.1}]) == 0
