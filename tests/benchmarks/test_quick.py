import pytest

from benchmarks.quick import Comparison, compare_times

FASTER = [(10.0, 9.0), (20.0, 18.0), (10.0, 9.5), (10.0, 9.0), (30.0, 27.0)] * 2


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        pytest.param(FASTER, ["0.900", "0.900 to 0.950", "faster"], id="faster"),
        pytest.param(
            [(after, before) for before, after in FASTER],
            ["1.111", "1.053 to 1.111", "slower"],
            id="slower",
        ),
        pytest.param(
            [*FASTER[:9], (10.0, 11.0)],
            ["0.900", "0.900 to 1.100", "no difference shown"],
            id="as is",
        ),
        pytest.param(FASTER[:7], ["0.900", "0.900 to 0.950", "too few pairs to tell"], id="few"),
    ],
)
def test_pairs_show_a_difference_or_not(
    pairs: list[tuple[float, float]], expected: list[str]
) -> None:
    before_ms, after_ms = zip(*pairs, strict=True)
    what, _, _, *shown = Comparison("a call", before_ms, after_ms).to_row()
    assert (what, shown) == ("a call", expected)


def test_pairs_are_compared_row_by_row() -> None:
    pairs = [
        {"before": {"a": 1.0, "b": 2.0}, "after": {"a": 3.0, "b": 4.0}},
        {"before": {"a": 5.0, "b": 6.0}, "after": {"a": 7.0, "b": 8.0}},
    ]
    assert compare_times(pairs) == [
        Comparison("a", [1.0, 5.0], [3.0, 7.0]),
        Comparison("b", [2.0, 6.0], [4.0, 8.0]),
    ]
