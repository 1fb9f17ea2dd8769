from math import log

import numpy as np
import pytest

from benchmarks.accuracy.plain import (
    blend_predictions,
    compute_iou,
    decode_predictions,
    letterbox_square,
    unletterbox,
)
from phiz.boxes.geometry import Letterbox
from phiz.image.lazy import LazyImage
from phiz.image.resample import letterbox_image


def box(*sides: float) -> np.ndarray:
    return np.array(sides, float)


@pytest.mark.parametrize("size_wh", [(640, 480), (123, 200), (128, 128), (40, 300)])
def test_squares_are_those_of_reference_sampling(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = Letterbox.fit(width, height, 128)
    expected = letterbox_image(
        LazyImage.from_array(image).decode_scaled(np.inf), frame, "reference"
    )
    np.testing.assert_array_equal(letterbox_square(image, 128), expected)


def test_a_prediction_by_arithmetic() -> None:
    regressions, logits = np.zeros((896, 16)), np.full((896, 1), -99.0)
    regressions[512, :4] = 4, 8, 20, 10
    logits[512] = log(3)  # a score of 3/4, at the centre of the first of 8 × 8 cells
    ((score, found),) = decode_predictions(regressions, logits, 128, 0.5)
    assert score == pytest.approx(0.75)
    assert found == pytest.approx(box(8 + 4 - 10, 8 + 8 - 5, 8 + 4 + 10, 8 + 8 + 5))


def test_means_are_weighed_by_score() -> None:
    low, high, apart = (0.25, box(0, 0, 10, 14)), (0.75, box(0, 0, 10, 10)), box(50, 50, 60, 60)
    (first, mean), (second, alone) = blend_predictions([low, high, (0.5, apart)])
    assert (first, second) == (0.75, 0.5)
    assert mean == pytest.approx(box(0, 0, 10, 11))
    assert alone == pytest.approx(apart)


@pytest.mark.parametrize(
    ("other", "expected"),
    [((0, 0, 10, 10), 1), ((0, 0, 10, 5), 0.5), ((10, 0, 20, 10), 0), ((5, 5, 5, 5), 0)],
)
def test_overlap(other: tuple[float, ...], expected: float) -> None:
    assert compute_iou(box(0, 0, 10, 10), box(*other)) == pytest.approx(expected)


def test_a_box_goes_back_to_its_picture() -> None:
    image = np.zeros((50, 100, 3), np.uint8)  # the square of 10 shows it from 2.5 to 7.5 in y
    found = unletterbox((0.9, box(1, 3.5, 11, 5)), image, 10)
    assert found is not None
    assert found[1] == pytest.approx(box(10, 10, 100, 25))
    assert unletterbox((0.9, box(1, 0, 5, 2)), image, 10) is None
