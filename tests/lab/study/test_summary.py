from dataclasses import replace

import pytest

from phiz.lab.study.plan import Combination
from phiz.lab.study.summary import (
    build_measurement,
    collect_round_medians,
    is_too_noisy,
    list_noisy,
    mark_quiet,
)
from phiz.lab.study.timing import RunTimes
from tests.lab.study.made import BF16, FLOAT32, OPENVINO, facts, figures, quality, study

BATCH = Combination("mobilenet", FLOAT32, 2, 4)


def test_figures_are_of_quiet_rounds() -> None:
    rounds = [
        RunTimes((3000,) * 10, 0.6),
        RunTimes(tuple(range(1000, 2000, 100)), 0.02),
        RunTimes((1500,) * 9 + (9000,), 0.06),
    ]
    found = build_measurement(BATCH, rounds, 7)
    assert found.visits_ms == (3.0, 1.45, 1.5)
    assert found.runs == 20
    assert found.median_ms == 1.45  # of the quietest
    assert found.mean_ms == pytest.approx((14.5 + 9 * 1.5 + 9) / 20)
    assert found.p90_ms == pytest.approx(1.81)
    assert found.p99_ms is None  # of 20 runs there is none
    # 80 ms of processor time for 20 runs of 4 pictures
    assert found.processor_ms == 1.0
    assert found.peak_bytes == 7


def test_quota_shows_in_images_a_second() -> None:
    stopped = figures("mobilenet", FLOAT32, 2.0, mean_ms=4.0, batch=2)
    assert stopped.images_per_s == 500


@pytest.mark.parametrize(
    ("visits_ms", "expected"),
    [
        ((2.0,), [True]),
        ((1.1, 1.0, 1.11), [True, True, False]),
        ((3.0, 1.0, 2.0), [False, True, False]),
    ],
)
def test_quiet_rounds_are_near_the_quietest(
    visits_ms: tuple[float, ...], expected: list[bool]
) -> None:
    assert mark_quiet(visits_ms) == expected


def test_time_of_a_model_is_of_its_quietest_round() -> None:
    assert quality("front", FLOAT32, 0.3, visits_ms=(2.2, 1.2, 1.3)).median_ms == 1.2


def test_99th_percentile_needs_500_runs() -> None:
    enough = build_measurement(BATCH, [RunTimes((1000,) * 494 + (9000,) * 6, 1.0)], None)
    assert enough.p99_ms == 9.0
    assert build_measurement(BATCH, [RunTimes((1000,) * 499, 1.0)], None).p99_ms is None


@pytest.mark.parametrize(
    ("noisy_ones", "expected"), [(0, False), (1, False), (2, True), (20, True)]
)
def test_study_is_noisy_if_a_tenth_rests_on_one_round(noisy_ones: int, *, expected: bool) -> None:
    rounds = [(1.0, 1.11, 3.0)] * noisy_ones + [(1.0, 1.09, 1.05)] * (20 - noisy_ones)
    ways = [figures(f"n{number}", FLOAT32, 1.0, each) for number, each in enumerate(rounds)]
    other = figures("n0", FLOAT32, 1.0, (1.0, 9.0), threads=2)
    whole = study(*ways, other)
    assert list_noisy(whole) == [
        f"n{number} {FLOAT32}, 1 thr., batch 1" for number in range(noisy_ones)
    ]
    assert is_too_noisy(whole) is expected


def test_study_is_noisy_if_most_rounds_do_not_count() -> None:
    half = study(figures("n0", FLOAT32, 1.0, (1.0, 1.05, 1.2, 1.3)))
    assert not is_too_noisy(half)
    assert is_too_noisy(study(figures("n0", FLOAT32, 1.0, (1.0, 1.05, 1.2, 1.3, 1.4))))
    assert is_too_noisy(replace(half, stolen=0.06))
    assert not is_too_noisy(replace(half, stolen=None))


def test_noise_includes_whole_face_models() -> None:
    networks = {"front": facts("front", "face"), "mobilenet": facts("mobilenet")}
    measured = study(
        figures("front", FLOAT32, 0.5),
        figures("mobilenet", FLOAT32, 4.0),
        qualities=[
            quality("front", FLOAT32, 0.3, visits_ms=(2.0, 1.0)),
            quality("front", OPENVINO, 0.3, visits_ms=(1.0, 1.05)),
            quality("front", BF16, 0.3, visits_ms=(1.0,)),  # of one round nothing is known
            quality("mobilenet", FLOAT32, 0.8, visits_ms=(2.0, 1.0)),  # its network's time counts
        ],
        networks=networks,
    )
    assert len(collect_round_medians(measured)) == 2 + 3
    assert list_noisy(measured) == [f"front as a whole, {FLOAT32}"]
