import pytest

from phiz.workers.latency import LatencyEstimator, Workload

BACK = Workload("back")
FRONT = Workload("front")
MEGAPIXEL = Workload("mtcnn", "JPEG", 1_000_000)
EIGHT = MEGAPIXEL._replace(pixels=8_000_000)


@pytest.fixture
def latencies() -> LatencyEstimator:
    return LatencyEstimator(0.5)


def test_first_estimate_of_a_model_is_the_default(latencies: LatencyEstimator) -> None:
    assert latencies.forecast(BACK) == (0.5, 0, True)


def test_first_time_is_the_mean(latencies: LatencyEstimator) -> None:
    latencies.observe(BACK, 2)
    assert latencies.forecast(BACK) == (2, 2, False)
    assert latencies.estimate_s(FRONT) == 0.5


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
def test_mean_follows_a_change_by_half_in_seven_times(
    latencies: LatencyEstimator, times_s: list[float], low_s: float, high_s: float
) -> None:
    for time_s in times_s:
        latencies.observe(BACK, time_s)
    assert low_s < latencies.estimate_s(BACK) < high_s


def test_low_time_follows_short_times_and_not_long_ones(latencies: LatencyEstimator) -> None:
    for time_s in (1, *[9] * 5):
        latencies.observe(BACK, time_s)
    assert latencies.forecast(BACK).low_s < 2 < latencies.forecast(BACK).mean_s
    for _ in range(5):
        latencies.observe(BACK, 0.1)
    assert latencies.forecast(BACK).low_s < 0.2


def test_larger_images_are_expected_to_take_longer(latencies: LatencyEstimator) -> None:
    latencies.observe(MEGAPIXEL, 0.02)
    forecast = latencies.forecast(EIGHT)
    assert forecast.mean_s == pytest.approx(0.02 * 8**0.75)
    # A quarter: no such image has been timed.
    assert forecast.low_s == forecast.likely_s == pytest.approx(0.005 * 8**0.75)


def test_guess_makes_others_wait_for_a_bounded_time_only(latencies: LatencyEstimator) -> None:
    """A header may announce far more pixels than there are, and others are refused by the wait."""
    huge = MEGAPIXEL._replace(pixels=50_000_000)
    latencies.observe(MEGAPIXEL, 0.1)
    assert latencies.estimate_s(huge) == 0.3
    latencies.observe(huge, 5)
    assert latencies.estimate_s(huge) == 5
    assert latencies.estimate_s(EIGHT._replace(pixels=25_000_000)) == 5


def test_smaller_images_are_expected_to_take_as_long_and_not_refused_by_it(
    latencies: LatencyEstimator,
) -> None:
    latencies.observe(EIGHT, 0.8)
    forecast = latencies.forecast(MEGAPIXEL)
    assert forecast.mean_s == pytest.approx(0.8)
    assert forecast.low_s == pytest.approx(0.2 / 8**0.75)


def test_images_within_a_doubling_of_pixels_share_their_times(latencies: LatencyEstimator) -> None:
    latencies.observe(MEGAPIXEL, 0.1)
    latencies.observe(EIGHT, 3)
    assert latencies.estimate_s(EIGHT._replace(pixels=8_300_000)) == 3
    assert latencies.estimate_s(MEGAPIXEL._replace(pixels=600_000)) == 0.1


def test_nearest_size_is_the_measure(latencies: LatencyEstimator) -> None:
    latencies.observe(MEGAPIXEL, 0.01)
    latencies.observe(EIGHT, 0.1)
    assert latencies.estimate_s(EIGHT._replace(pixels=16_000_000)) == pytest.approx(0.1 * 2**0.75)


def test_unknown_options_are_forecast_by_the_model_alone(latencies: LatencyEstimator) -> None:
    latencies.observe(MEGAPIXEL._replace(options=""), 0.05)
    forecast = latencies.forecast(MEGAPIXEL._replace(options="rotate", factor=4.0))
    assert forecast.mean_s == pytest.approx(0.2)
    assert forecast.low_s < 0.01


def test_failed_task_counts_only_if_it_takes_longer(latencies: LatencyEstimator) -> None:
    latencies.observe(BACK, 1)
    latencies.observe(BACK, 0.001, is_complete=False)
    assert latencies.forecast(BACK) == (1, 1, False)
    latencies.observe(BACK, 11, is_complete=False)
    assert latencies.forecast(BACK) == (2, 1, False)


def test_failed_task_of_an_unknown_size_is_no_measure_of_others(
    latencies: LatencyEstimator,
) -> None:
    latencies.observe(MEGAPIXEL, 0.02)
    latencies.observe(EIGHT, 0.001, is_complete=False)
    assert latencies.estimate_s(EIGHT) == pytest.approx(0.02 * 8**0.75)
    latencies.observe(EIGHT, 0.2)
    assert latencies.forecast(EIGHT) == (0.2, 0.2, False)


def test_refused_work_is_tried_again_some_time(latencies: LatencyEstimator) -> None:
    latencies.observe(EIGHT, 3)
    before_s = latencies.forecast(EIGHT).low_s
    for _ in range(35):
        latencies.count_refusal(EIGHT)
    assert latencies.forecast(EIGHT).low_s == pytest.approx(before_s / 2, rel=0.05)
    assert latencies.estimate_s(EIGHT) == 3


def test_unclear_size_waits_long_and_is_never_refused(latencies: LatencyEstimator) -> None:
    latencies.observe(EIGHT, 3)
    assert latencies.forecast(EIGHT._replace(is_size_known=False)) == (3, 0, False)


def test_shortest_tasks_of_a_model_are_known(latencies: LatencyEstimator) -> None:
    assert latencies.estimate_least_s("mtcnn") == 0.5
    for _ in range(10):
        latencies.observe(MEGAPIXEL, 0.1)
        latencies.observe(EIGHT, 3)
    assert 0.1 < latencies.estimate_least_s("mtcnn") < 0.3
