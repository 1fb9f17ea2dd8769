from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.boxes.nms import group_by_leader
from phiz.detectors.pyramid import (
    MAX_LEVEL_PIXELS,
    can_levels_overlap,
    compute_cell_boxes,
    compute_scales,
    suppress_cells,
)


@pytest.mark.parametrize(
    ("height", "width", "min_face", "expected"),
    [
        pytest.param(40, 60, 20, [0.6, 0.3], id="down to a shorter side of 12"),
        pytest.param(20, 20, 20, [0.6], id="one level"),
        pytest.param(19, 500, 20, [], id="smaller than the smallest face"),
        pytest.param(12, 12, 12, [1], id="P-Net's own size"),
    ],
)
def test_scales(height: int, width: int, min_face: float, expected: list[float]) -> None:
    assert compute_scales(height, width, min_face, 0.5) == pytest.approx(expected)


@pytest.mark.parametrize("min_face", [1, 8])
def test_no_level_has_more_pixels_than_the_limit(min_face: float) -> None:
    scales = compute_scales(3000, 4000, min_face, 0.709)
    assert scales[0] ** 2 * 3000 * 4000 == pytest.approx(MAX_LEVEL_PIXELS)
    assert compute_scales(3000, 4000, 9, 0.709)[0] == 12 / 9


def test_a_cells_box_by_arithmetic() -> None:
    # Column 2, row 11: 5 / 0.5, 23 / 0.5, then 16 / 0.5, 34 / 0.5.
    assert compute_cell_boxes(np.array([[2, 11]]), 0.5).tolist() == [[10, 46, 32, 68]]
    assert compute_cell_boxes(np.empty((0, 2), np.intp), 0.5).shape == (0, 4)


def test_a_cells_box_is_floored_in_float32() -> None:
    # 2 · 10 + 1 over 12 / 20 · 0.709 ** 9 is 775.9999… in float32 and 776.0… in float64, or
    # the other way round: such cells exist at every scale, and the peer's are these.
    differing = 0
    for power in range(12):
        scale = 0.6 * 0.709**power
        cells = np.stack([np.arange(3000), np.arange(3000)], axis=1)
        narrow = compute_cell_boxes(cells, scale)
        assert narrow.dtype == np.float32
        wide = np.floor((2 * cells + 1) / scale)
        differing += int((narrow[:, :2] != wide).sum())
    assert differing > 0


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([3.0, 1.4, 1.3, 0.6, 0.6 * 0.709, 0.1, 0.01]),
    st.sampled_from([0.3, 0.5, 0.7]),
)
def test_suppression_on_the_grid_is_greedy_suppression(
    seed: int, scale: float, limit: float
) -> None:
    rng = np.random.default_rng(seed)
    y, x = np.nonzero(rng.uniform(size=(12, 15)) < rng.uniform())
    cells = np.stack([x, y], axis=1)
    boxes = compute_cell_boxes(cells, scale)
    scores = rng.integers(0, 50, len(cells)).astype(np.float32)  # with ties
    leaders = [leader for leader, _ in group_by_leader(boxes, scores, limit)]
    assert suppress_cells(cells, boxes, scores, scale, limit).tolist() == leaders


@pytest.mark.parametrize(
    ("min_face", "factor", "expected"),
    [
        pytest.param(20, 0.709, False, id="the defaults"),
        pytest.param(20, 0.9, True, id="levels close to each other"),
        pytest.param(3, 0.709, True, id="boxes so small that rounding decides"),
    ],
)
def test_levels_overlap(min_face: float, factor: float, expected: bool) -> None:  # noqa: FBT001
    scales = compute_scales(400, 400, min_face, factor)
    assert can_levels_overlap(scales, 0.7) is expected


def test_levels_of_the_defaults_never_reach_the_limit() -> None:
    scales = compute_scales(400, 400, 20, 0.709)
    for upper, lower in pairwise(scales):
        size = int(150 * upper)
        grid = np.mgrid[:size, :size].reshape(2, -1).T // 2
        small, large = compute_cell_boxes(grid, upper), compute_cell_boxes(grid[:400], lower)
        low = np.maximum(small[:, None, :2], large[:, :2])
        high = np.minimum(small[:, None, 2:], large[:, 2:])
        shared = np.maximum(high - low, 0).prod(axis=2)
        areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (small, large)]
        assert (shared / (areas[0][:, None] + areas[1] - shared)).max() <= 0.7
