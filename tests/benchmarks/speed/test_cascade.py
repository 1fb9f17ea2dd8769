import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.kit.report import print_tables
from benchmarks.speed.cascade import (
    MIN_FACE,
    ONET_OPERATIONS,
    RNET_OPERATIONS,
    STEPS,
    CascadeTimes,
    StepRecorder,
    build_goals,
    build_step_table,
    count_operations,
    count_pnet,
    measure_all,
    summarise_steps,
)
from phiz.detectors.detector import Detector
from phiz.detectors.mtcnn import Mtcnn
from phiz.detectors.pyramid import compute_scales
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage
from phiz.image.pixels import PackedPixels
from phiz.image.resample import Sampling
from phiz.timings import Part, Stage, Stopwatch

Laps = Sequence[tuple[float, Stage, Part | None]]
"""The seconds, stage and part of each lap."""


@pytest.fixture
def mtcnn(load_with: Callable[[Sampling], dict[str, Detector]]) -> Mtcnn:
    loaded = load_with("half-pixel")["mtcnn"]
    assert isinstance(loaded, Mtcnn)
    return loaded


@pytest.fixture
def group(read_image: Callable[[str], LazyImage]) -> PackedPixels:
    return read_image("group_640x480.png").decode_full()


def test_operations_of_networks() -> None:
    # One cell: 10 × 10, 3 × 3 and 1 × 1 positions.
    one_cell = 100 * 10 * 27 + 9 * 16 * 90 + 32 * 144 + 6 * 32
    assert count_pnet(12, 12) == 2 * one_cell
    # 11 × 17 pixels of the first layer are pooled to 6 × 9, and leave 2 × 5 cells.
    assert count_pnet(13, 19) == 2 * (187 * 270 + 28 * 1440 + 10 * (4608 + 192))
    assert RNET_OPERATIONS == 2 * (484 * 756 + 81 * 12096 + 9 * 12288 + 73728 + 768)
    assert ONET_OPERATIONS == (
        2 * (2116 * 864 + 441 * 18432 + 64 * 36864 + 9 * 32768 + 294912 + 4096)
    )


def test_operations_are_those_of_all_levels_and_crops(mtcnn: Mtcnn, group: PackedPixels) -> None:
    height, width = group.shape
    scales = compute_scales(height, width, MIN_FACE, mtcnn.spec.factor)
    sums = compute_integral(group)
    proposals = mtcnn.propose_boxes(sums, scales, Stopwatch())
    candidates = mtcnn.refine_boxes(sums, proposals, Stopwatch())
    levels = sum(count_pnet(int(height * each + 1), int(width * each + 1)) for each in scales)
    expected = levels + len(proposals) * RNET_OPERATIONS + len(candidates) * ONET_OPERATIONS
    assert len(proposals) > len(candidates) > 1
    assert count_operations(mtcnn, group) == expected
    # Nothing passes P-Net, so nothing else runs.
    strict = replace(mtcnn, spec=replace(mtcnn.spec, min_scores=(1.1, 0.7, 0.7)))
    assert count_operations(strict, group) == levels


def record_laps(laps: Laps, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Return the steps of invented laps."""
    now = 0.0
    monkeypatch.setattr(time, "thread_time", lambda: now)
    recorder = StepRecorder()
    for now, (_, stage, part) in zip(accumulate(lap[0] for lap in laps), laps, strict=True):  # noqa: B007
        recorder.lap(stage, part)
    return recorder.steps


def test_time_before_a_network_is_that_of_its_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    level: Laps = [(3, "preprocess", None), (5, "inference", "pnet"), (7, "postprocess", None)]
    crop: Laps = [(11, "preprocess", None)]
    rnet: Laps = [(13, "inference", "rnet")]
    laps: Laps = [
        (1, "decode", None),
        (2, "preprocess", None),  # the integral image
        *level,
        *level,
        *[*crop, *crop, *crop],  # in a row
        *[*rnet, *rnet, *rnet],
        (17, "postprocess", None),
        (19, "preprocess", None),
        (23, "inference", "onet"),
        (29, "postprocess", None),
    ]
    assert record_laps(laps, monkeypatch) == {
        "decode": 1,
        "integral": 2,
        "resizing": 6,
        "pnet": 10,
        "proposals": 14,
        "crops for rnet": 33,
        "rnet": 39,
        "crops for onet": 19,
        "onet": 23,
        "rest": 46,
    }


def test_every_moment_belongs_to_a_step(mtcnn: Mtcnn, group: PackedPixels) -> None:
    strict = replace(mtcnn, spec=replace(mtcnn.spec, min_scores=(1.1, 0.7, 0.7)))
    rates, times = measure_all({"all": mtcnn, "levels": strict}, [group, group[:200]], 2)
    assert len(rates) == 4
    assert min(rates) > 0
    for each in times.values():
        assert list(each.steps) == list(STEPS)
        assert {step.shape for step in (*each.steps.values(), each.total)} == {(2, 2)}
        np.testing.assert_allclose(sum(each.steps.values()), each.total)
    assert times["all"].steps["rnet"].min() > 0
    assert times["levels"].steps["pnet"].min() > 0
    assert times["levels"].steps["rnet"].max() == 0
    # The second image has two fifths of the rows.
    larger, smaller = times["levels"].total.min(axis=0)
    assert larger > smaller


def make_times(total: NDArray[np.float64], share: float) -> CascadeTimes:
    """Return times of which a share is P-Net's and the rest R-Net's."""
    steps = {name: np.zeros_like(total) for name in STEPS}
    return CascadeTimes({**steps, "pnet": share * total, "rnet": (1 - share) * total}, total)


def test_goals_are_of_the_median_image_and_the_worst() -> None:
    # Rounds of three images. The medians of the images are 0.12, 0.16 and 0.4.
    total = np.array([[0.10, 0.16, 0.5], [0.12, 0.15, 0.4], [0.14, 0.18, 0.3]])
    limits = np.array([0.08, 0.1, 0.3])
    median, worst = build_goals(limits, {"float32": make_times(total, 0.5)})
    assert (median.what, worst.what) == ("mtcnn, float32", "mtcnn, float32, worst image")
    assert (median.ours_ms, median.other_ms) == pytest.approx((160, 100))
    assert median.figure == pytest.approx(1.6)
    assert list(median.rounds) == pytest.approx([1.6, 1.5, 1.8])
    assert (worst.ours_ms, worst.other_ms) == pytest.approx((400, 160))
    assert worst.figure == pytest.approx(2.5)
    assert (median.is_reached, worst.is_reached) == (True, False)
    assert (median.clock, worst.clock) == ("processor", "processor")
    assert worst.is_proven_missed
    faster, _ = build_goals(limits, {"default": make_times(total, 0.5)})
    assert faster.figure == pytest.approx(1.6)
    assert faster.limit == 1.35


def test_steps_are_means_over_images_with_their_shares(capsys: pytest.CaptureFixture[str]) -> None:
    total = np.array([[0.1, 0.3], [0.2, 0.4], [0.9, 0.2]])  # medians 0.2 and 0.3
    times = {"float32": make_times(total, 0.2), "default": make_times(total / 2, 0.6)}
    means = summarise_steps(times["float32"])
    assert {name: ms for name, ms in means.items() if ms} == pytest.approx(
        {"pnet": 50, "rnet": 200}
    )
    print_tables(build_step_table(np.array([0.1, 0.2]), times))
    rows = {
        cells[0]: cells[1:]
        for line in capsys.readouterr().out.splitlines()
        if (cells := line.split())
    }
    assert rows["pnet"] == ["50.00", "20", "%", "75.00", "60", "%"]
    assert rows["rnet"] == ["200.00", "80", "%", "50.00", "40", "%"]
    assert rows["onet"] == ["0.00", "0", "%", "0.00", "0", "%"]
    assert rows["mean"] in (["250.0", "125.0"], ["limit", "150.0"])
