import pytest

from benchmarks.kit.pairs import compute_interval, compute_sign_test


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([2.0] * 9, 2 / 2**9, id="all above"),
        pytest.param([0.5] * 9, 2 / 2**9, id="all below"),
        pytest.param([2.0] * 8 + [0.5], 20 / 2**9, id="one on the other side"),
        pytest.param([2.0, 0.5], 1, id="as many on both sides"),
        pytest.param([1.0, 1.0, 2.0], 1, id="at the limit"),
        pytest.param([], 1, id="no values"),
    ],
)
def test_probability_of_the_signs(values: list[float], expected: float) -> None:
    assert compute_sign_test(values, 1.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("count", "confidence", "expected"),
    [
        pytest.param(9, 0.95, (2, 8), id="96.1 % in nine"),
        pytest.param(9, 0.97, (1, 9), id="99.6 % in nine"),
        pytest.param(31, 0.99, (8, 24), id="99.3 % in 31"),
        pytest.param(3, 0.95, (1, 3), id="too few"),
        pytest.param(1, 0.95, (1, 1), id="one"),
    ],
)
def test_interval_is_between_two_values(
    count: int, confidence: float, expected: tuple[int, int]
) -> None:
    values = [float(each) for each in range(count, 0, -1)]
    assert compute_interval(values, confidence) == expected
