from io import BytesIO
from math import isnan

import numpy as np
import pytest
from PIL import Image

from phiz.faces import Face
from phiz.image.decode import decode_image
from phiz.image.limits import DecodingLimits
from phiz.lab.accuracy.jitter import (
    MAX_SHIFT_PX,
    compute_mean_square,
    encode_bmp,
    measure_face_jitter,
    measure_film_steps,
    sample_shifts,
    shift_image,
)
from tests.lab.accuracy.answers import HEAD, found, labelled

BOX = labelled([HEAD]).faces[0]
RIGHT = np.array([2, 0])


def moved(by: tuple[float, float], error: tuple[float, float] = (0, 0)) -> Face:
    """Return the face in a picture that was moved, with an error of all that is predicted."""
    x, y = by[0] + error[0], by[1] + error[1]
    left, top, right, bottom = HEAD
    return found((left + x, top + y, right + x, bottom + y), by=(x, y))


@pytest.mark.parametrize("count", [0, 1, 8, 288])
def test_shifts_are_within_reach_different_and_none_is_zero(count: int) -> None:
    shifts = sample_shifts(count)
    assert shifts.shape == (count, 2)
    assert len(np.unique(shifts, axis=0)) == count
    assert (np.abs(shifts) <= MAX_SHIFT_PX).all()
    assert shifts.any(axis=1).all()


def test_all_shifts_reach_every_side() -> None:
    shifts = sample_shifts(288)
    assert shifts.min(axis=0).tolist() == [-8, -8]
    assert shifts.max(axis=0).tolist() == [8, 8]


def test_a_picture_is_moved_and_its_border_repeated() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(shift_image(image, 0, 0), image)
    np.testing.assert_array_equal(
        shift_image(image, 1, -1)[..., 0], [[4, 4, 5, 6], [8, 8, 9, 10], [8, 8, 9, 10]]
    )


def test_a_file_has_the_pixels_that_went_in() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    file = encode_bmp(image)
    np.testing.assert_array_equal(decode_image(file, DecodingLimits(10_000, 100)), image)
    assert Image.open(BytesIO(file)).size == (7, 5)


def test_a_face_that_moves_with_its_picture_does_not_jitter() -> None:
    jitter = measure_face_jitter(BOX, 10, [found()], [([moved((2, 0))], RIGHT)])
    assert jitter.square == pytest.approx(0)
    assert jitter.lost == 0


# All predictions are off by 3 pixels in x of eyes 10 pixels apart: (9 + 0) / 2 / 100.
def test_the_mean_square_is_of_all_coordinates_over_the_squared_distance_of_the_eyes() -> None:
    jitter = measure_face_jitter(BOX, 10, [found()], [([moved((2, 0), (3, 0))], RIGHT)])
    assert jitter.square == pytest.approx(0.045)


def test_shifts_count_alike_and_lost_faces_are_counted() -> None:
    steady, off = [moved((2, 0))], [moved((2, 0), (3, 0))]
    far = [found((60, 60, 80, 80))]
    jitter = measure_face_jitter(BOX, 10, [found()], [(steady, RIGHT), (off, RIGHT), (far, RIGHT)])
    assert jitter.square == pytest.approx(0.0225)
    assert jitter.lost == 1


def test_jitter_of_a_face_that_is_not_found_is_nan() -> None:
    never = measure_face_jitter(BOX, 10, [], [([moved((2, 0))], RIGHT)])
    assert isnan(never.square)
    assert never.lost == 0
    once = measure_face_jitter(BOX, 10, [found()], [([], RIGHT)])
    assert isnan(once.square)
    assert once.lost == 1


def test_only_landmarks_that_both_have_are_compared() -> None:
    other = Face((5, 5, 25, 26), 0.5, {"mouth_left": (0, 0), "nose": (15, 17)}, "mtcnn")
    # Apart are the lower side, by 1, and the nose, by 2, of six coordinates.
    assert compute_mean_square(found(), other) == pytest.approx(5 / 6)


# Two frames apart by 1 pixel in both axes, then one without a face, then two alike.
def test_successive_frames_are_compared() -> None:
    one, other = moved((0, 0)), moved((1, 1))
    assert measure_film_steps([one, other, None, one, one]) == pytest.approx([0.01, 0])


@pytest.mark.parametrize("frames", [[], [None, None], [found(), None]], ids=len)
def test_frames_without_successors_give_nothing(frames: list[Face | None]) -> None:
    assert measure_film_steps(frames).shape == (0,)
