import pytest

from phiz.study.plan import Combination
from phiz.study.summary import figures_of, is_too_noisy, noisy
from phiz.study.timing import Turns
from tests.study.made import FLOAT32, figures, study

BATCH = Combination("mobilenet", FLOAT32, 2, 4)


def test_figures_are_those_of_all_runs() -> None:
    visits = [Turns(tuple(range(1000, 2000, 100)), 0.02), Turns((3000,) * 10, 0.06)]
    found = figures_of(BATCH, visits, 7)
    assert found.runs == 20
    assert found.median_ms == pytest.approx((1.9 + 3.0) / 2)
    assert found.p90_ms == 3.0
    assert found.p99_ms is None  # of 20 runs there is none
    assert found.visits_ms == (1.45, 3.0)
    assert found.spread == pytest.approx(3.0 / 1.45 - 1)
    # 80 ms of processor time for 20 runs of 4 pictures
    assert found.processor_ms == 1.0
    assert found.pictures_per_s == pytest.approx(4000 / found.median_ms)
    assert found.peak_bytes == 7


def test_with_500_runs_there_is_a_99th_percentile() -> None:
    enough = figures_of(BATCH, [Turns((1000,) * 494 + (9000,) * 6, 1.0)], None)
    assert enough.p99_ms == 9.0
    assert figures_of(BATCH, [Turns((1000,) * 499, 1.0)], None).p99_ms is None


@pytest.mark.parametrize(
    ("noisy_ones", "expected"), [(0, False), (1, False), (2, True), (20, True)]
)
def test_a_tenth_that_differs_is_too_noisy(noisy_ones: int, *, expected: bool) -> None:
    visits = [(1.0, 1.11)] * noisy_ones + [(1.0, 1.09)] * (20 - noisy_ones)
    ways = [figures("mobilenet", FLOAT32, 1.0, each) for each in visits]
    other = figures("mobilenet", FLOAT32, 1.0, (1.0, 9.0), threads=2)
    assert len(noisy(ways)) == noisy_ones
    assert is_too_noisy(study(*ways, other)) is expected
