import numpy as np
import pytest

from phiz.detectors.mtcnn_boxes import apply_regressions, compute_inside_regions, nms_min


@pytest.mark.parametrize(
    ("inclusive", "expected"),
    [
        pytest.param(0, [0, 0, 15, 10], id="half-open: a side of 10"),
        pytest.param(1, [0, 0, 15.5, 10], id="inclusive: a side of 11"),
    ],
)
def test_calibrate(inclusive: float, expected: list[float]) -> None:
    box = np.array([[0, 0, 10, 10]], np.float32)
    regression = np.array([[0, 0, 0.5, 0]], np.float32)
    assert apply_regressions(box, regression, np.float32(inclusive)).tolist() == [expected]


@pytest.mark.parametrize(
    ("box", "region"),
    [
        pytest.param([10.9, 5.2, 20.9, 15.7], [9, 4, 20, 15], id="truncated, counted from 1"),
        pytest.param([-7, -0.5, 20, 15], [0, 0, 20, 15], id="over the left and upper border"),
        pytest.param([30, 30, 90, 90], [29, 29, 40, 50], id="over the right and lower border"),
        pytest.param([41, 5, 60, 20], None, id="beyond the right border"),
        pytest.param([5, -30, 20, -2], None, id="above the picture"),
    ],
)
def test_cut(box: list[float], region: list[int] | None) -> None:
    boxes, regions = compute_inside_regions(np.array([box], np.float32), (50, 40))
    assert regions.tolist() == ([] if region is None else [region])
    assert len(boxes) == len(regions)


@pytest.mark.parametrize(("limit", "kept"), [(0.99, [0]), (1, [0, 1])], ids=["above", "at"])
def test_nms_min_measures_by_the_smaller_box(limit: float, kept: list[int]) -> None:
    boxes = np.array([[0, 0, 99, 99], [10, 10, 19, 19]], np.float32)  # one inside the other
    assert nms_min(boxes, np.array([0.9, 0.8], np.float32), limit).tolist() == kept


def test_nms_min_takes_the_last_of_equal_scores() -> None:
    boxes = np.array([[0, 0, 99, 99], [10, 10, 89, 89]], np.float32)
    assert nms_min(boxes, np.array([1, 1], np.float32), 0.7).tolist() == [1]


def test_nms_min_ends_on_nan() -> None:
    boxes = np.full((3, 4), np.nan, np.float32)
    assert len(nms_min(boxes, np.ones(3, np.float32), 0.7)) == 3
