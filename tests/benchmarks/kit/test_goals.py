import pytest

from benchmarks.kit.goals import Goal, Sense


@pytest.mark.parametrize(
    ("figure", "sense", "expected"),
    [
        pytest.param(0.8, "≥", True, id="at the least"),
        pytest.param(0.79, "≥", False, id="below it"),
        pytest.param(0.8, "≤", True, id="at the most"),
        pytest.param(0.81, "≤", False, id="above it"),
    ],
)
def test_a_limit_is_reached_on_its_own_side(
    figure: float,
    sense: Sense,
    expected: bool,  # noqa: FBT001
) -> None:
    assert Goal("a", figure, sense, 0.8).is_reached is expected


def test_goal_without_limit_is_neither_reached_nor_missed() -> None:
    assert Goal("a", 0.8).is_reached is None


def test_goal_is_printed_with_its_unit_and_limit() -> None:
    ratio = Goal("a", 0.5, "≤", 0.95, measure="ratio")
    assert (ratio.format_figure(), ratio.format_limit()) == ("0.500 ×", "≤ 0.95")
    assert (Goal("a", 1234.5).format_figure(), Goal("a", 1).format_limit()) == ("1.23e+03", "")


@pytest.mark.parametrize(
    ("goal", "expected"),
    [
        pytest.param(Goal("a", 1, "≥", 1, [2, 2, 0.5]), "2 of 3, p 1", id="wall"),
        pytest.param(
            Goal("a", 1, "≤", 1, [9] * 9, clock="processor", wall_rounds=[0.5] * 9),
            "9 of 9, p 0.0039",
            id="beside processor time",
        ),
        pytest.param(Goal("a", 1, "≤", 1, [9], clock="processor"), "", id="no rounds by the wall"),
        pytest.param(Goal("a", 1, rounds=[1, 2]), "", id="no limit"),
    ],
)
def test_rounds_within_a_limit_are_tested_by_their_signs(goal: Goal, expected: str) -> None:
    assert goal.format_sign_test() == expected
