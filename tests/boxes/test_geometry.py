import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from phiz.boxes.geometry import (
    Letterbox,
    box_area,
    box_iou,
    clip_boxes,
    compute_intersections,
    compute_shorter_sides,
    expand_to_squares,
)

coordinates = st.floats(-1000, 1000, width=32)
box_arrays = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 8), st.just(4)), elements=coordinates
)


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param((0, 0, 4, 3), 12, id="half-open: width is x2 - x1"),
        pytest.param((2, 2, 2, 9), 0, id="no width"),
        pytest.param((5, 5, 4, 4), 0, id="inside out on both axes is not positive"),
    ],
)
def test_area(box: tuple[float, float, float, float], expected: float) -> None:
    assert box_area(boxes(box)).tolist() == [expected]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        pytest.param((0, 0, 10, 10), 1, id="itself"),
        pytest.param((5, 0, 15, 10), 1 / 3, id="half"),
        pytest.param((10, 0, 20, 10), 0, id="touching: half-open boxes share no pixel"),
        pytest.param((2, 2, 4, 4), 4 / 100, id="inside"),
        pytest.param((30, 30, 40, 40), 0, id="apart"),
        pytest.param((3, 3, 3, 3), 0, id="without area"),
    ],
)
def test_iou(other: tuple[float, float, float, float], expected: float) -> None:
    assert box_iou(boxes((0, 0, 10, 10))[0], boxes(other)) == pytest.approx([expected])


def test_iou_of_two_boxes_without_area_is_zero() -> None:
    nothing = boxes((3, 3, 3, 3))
    assert box_iou(nothing[0], nothing).tolist() == [0]


@given(box_arrays, box_arrays)
def test_iou_is_symmetric_and_between_0_and_1(first: np.ndarray, second: np.ndarray) -> None:
    for a in first:
        overlaps = box_iou(a, second)
        assert ((overlaps >= 0) & (overlaps <= 1 + 1e-5)).all()
        back = [box_iou(b, a[None])[0] for b in second]
        assert overlaps == pytest.approx(back, abs=1e-5)


def test_intersection_counts_shared_pixels() -> None:
    painted = np.zeros((2, 20, 20), bool)
    painted[0, 2:9, 3:12] = True
    painted[1, 5:15, 7:18] = True
    first, second = boxes((3, 2, 12, 9), (7, 5, 18, 15))
    assert compute_intersections(first, second[None]).tolist() == [painted.all(axis=0).sum()]


def test_clip_leaves_nothing_of_a_box_outside() -> None:
    clipped = clip_boxes(boxes((-5, -5, 50, 20), (60, 60, 70, 70)), 40, 30)
    assert clipped.tolist() == [[0, 0, 40, 20], [40, 30, 40, 30]]
    assert box_area(clipped).tolist() == [800, 0]


def test_shorter_side() -> None:
    assert compute_shorter_sides(boxes((0, 0, 4, 3), (0, 0, 1, 9))).tolist() == [3, 1]
    assert compute_shorter_sides(boxes()).shape == (0,)


def test_square_widens_the_shorter_side_around_the_centre() -> None:
    assert expand_to_squares(boxes((0, 0, 10, 4))).tolist() == [[0, -3, 10, 7]]


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        pytest.param(640, 480, Letterbox(128, 5, 0, 80), id="landscape"),
        pytest.param(480, 640, Letterbox(128, 5, 80, 0), id="portrait"),
        pytest.param(64, 64, Letterbox(128, 0.5, 0, 0), id="smaller than the square"),
        pytest.param(641, 480, Letterbox(128, 641 / 128, 0, 80.5), id="half a pixel of bar"),
    ],
)
def test_letterbox_fits_the_longer_side(width: int, height: int, expected: Letterbox) -> None:
    assert Letterbox.fit(width, height, 128) == expected


def test_a_moved_letterbox_has_the_picture_further() -> None:
    frame = Letterbox.fit(640, 480, 128).shift_by(2)
    # A pixel of the square is 5 of the picture.
    assert frame == Letterbox(128, 5, 10, 90)
    assert frame.to_image_points(np.array([[2, 18]], np.float32)).tolist() == [[0, 0]]


@given(st.integers(1, 5000), st.integers(1, 5000), st.sampled_from([128, 192, 256]))
def test_letterbox_undo_takes_corners_back(width: int, height: int, size: int) -> None:
    frame = Letterbox.fit(width, height, size)
    corners = np.array([[0, 0], [width, height]], np.float64)
    inside = (corners + np.array([frame.pad_x_px, frame.pad_y_px])) / frame.scale
    assert ((inside >= -1e-6) & (inside <= size + 1e-6)).all()
    assert frame.to_image_points(inside.astype(np.float32)) == pytest.approx(corners, abs=0.01)
