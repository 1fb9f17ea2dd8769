import pytest

from phiz.workers.latency import LatencyEstimator


def test_first_estimate_of_a_kind_is_the_default() -> None:
    assert LatencyEstimator(0.5).estimate_s("back") == 0.5


def test_the_first_time_is_the_mean() -> None:
    costs = LatencyEstimator(0.5)
    costs.observe("back", 2)
    assert (costs.estimate_s("back"), costs.estimate_s("front")) == (2, 0.5)


@pytest.mark.parametrize(
    ("times_s", "low_s", "high_s"),
    [
        pytest.param([2, 7], 2.49, 2.51, id="newest-counts-a-tenth"),
        pytest.param([7, 2], 6.49, 6.51, id="shorter-counts-the-same"),
        pytest.param([1, 11, 1], 1.89, 1.91, id="one-outlier-fades"),
        # Of a change, 0.9⁶ = 0.53 is still to come after six times, 0.9⁷ = 0.48 after seven.
        pytest.param([0, *[1] * 6], 0.46, 0.5, id="under-half-after-six"),
        pytest.param([0, *[1] * 7], 0.5, 0.53, id="over-half-after-seven"),
        pytest.param([1, *[0] * 6], 0.5, 0.54, id="over-half-left-after-six"),
        pytest.param([1, *[0] * 7], 0.47, 0.5, id="under-half-left-after-seven"),
    ],
)
def test_estimate_follows_a_change_by_half_in_seven_times(
    times_s: list[float], low_s: float, high_s: float
) -> None:
    latencies = LatencyEstimator(0.5)
    for time_s in times_s:
        latencies.observe("back", time_s)
    assert low_s < latencies.estimate_s("back") < high_s


def test_a_change_is_learnt() -> None:
    costs = LatencyEstimator(0.5)
    costs.observe("back", 100)
    for _ in range(100):
        costs.observe("back", 1)
    assert costs.estimate_s("back") == pytest.approx(1, rel=0.01)
