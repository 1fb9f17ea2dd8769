import numpy as np
import pytest

from phiz.lab.accuracy.closeups import count_second_boxes, crop_to_face
from tests.lab.accuracy.answers import HEAD, Box, answer, found, labelled

BOX = np.array([20, 30, 60, 80], np.float32)
IMAGE = np.arange(100 * 90 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 90, 3)


@pytest.mark.parametrize(
    ("margin", "rows", "columns", "box"),
    [
        pytest.param(0.0, (30, 80), (20, 60), [0, 0, 40, 50], id="the box"),
        pytest.param(0.2, (20, 90), (12, 68), [8, 10, 48, 60], id="larger"),
        pytest.param(-0.1, (35, 75), (24, 56), [0, 0, 32, 40], id="smaller, which clips the box"),
        pytest.param(1.0, (0, 100), (0, 90), [20, 30, 60, 80], id="to the border"),
    ],
)
def test_crop_and_box_of_a_margin(
    margin: float, rows: tuple[int, int], columns: tuple[int, int], box: list[float]
) -> None:
    crop, inside = crop_to_face(IMAGE, BOX, margin)
    assert np.array_equal(crop, IMAGE[slice(*rows), slice(*columns)])
    assert inside.tolist() == box


@pytest.mark.parametrize(
    ("boxes", "count"),
    [
        pytest.param([], 0, id="no box"),
        pytest.param([HEAD], 0, id="one"),
        pytest.param([HEAD, (10, 10, 15, 15)], 1, id="one inside"),
        pytest.param([HEAD, (0, 0, 60, 60)], 1, id="one around"),
        pytest.param([HEAD, (15, 5, 35, 25)], 1, id="one that shares half"),
        pytest.param([HEAD, (16, 5, 36, 25)], 0, id="one that shares less"),
        pytest.param([HEAD, (60, 60, 80, 80)], 0, id="a bystander"),
        pytest.param([HEAD, HEAD, HEAD], 2, id="three"),
    ],
)
def test_second_boxes_are_those_over_the_labelled_face(boxes: list[Box], count: int) -> None:
    assert count_second_boxes(answer(labelled([HEAD]), [found(box) for box in boxes])) == count
