import numpy as np
import pytest

from phiz.lab.accuracy.alignment import (
    find_faces_with_points,
    find_nearest_face,
    measure_alignment,
    measure_eye_distance,
)
from tests.lab.accuracy.answers import EYES, HEAD, answer, found, labelled

PORTRAIT = labelled([HEAD], has_points=True)


def test_the_eyes_are_as_far_apart_as_they_are() -> None:
    assert measure_eye_distance(np.array(EYES, np.float32)) == 10


# Eyes are 10 pixels apart, so that a pixel is 0.1.
@pytest.mark.parametrize(
    ("by", "landmarks", "distance"),
    [
        pytest.param((0, 0), 0, 0, id="exact"),
        pytest.param((1, 0), 0.05, 0.1, id="x alone is half of the coordinates"),
        pytest.param((-3, 4), 0.35, 0.5, id="three, four, five"),
    ],
)
def test_landmark_errors_are_over_the_distance_of_the_eyes(
    by: tuple[float, float], landmarks: float, distance: float
) -> None:
    aligned = measure_alignment([answer(PORTRAIT, [found(by=by)])])
    assert aligned.landmarks == pytest.approx([landmarks])
    assert aligned.distances == pytest.approx([distance])
    assert aligned.missed == 0


def test_box_sides_are_signed() -> None:
    aligned = measure_alignment([answer(PORTRAIT, [found((4, 5, 27, 25))])])
    np.testing.assert_allclose(aligned.box_offset, [-0.1, 0, 0.2, 0], atol=1e-7)


def test_a_bystander_is_not_the_labelled_face() -> None:
    aligned = measure_alignment([answer(PORTRAIT, [found((50, 50, 70, 70))]), answer(PORTRAIT, [])])
    assert aligned.missed == 2
    assert aligned.landmarks.shape == (0,)
    assert aligned.boxes.shape == (0,)
    assert np.isnan(aligned.box_offset).all()


# A box of 20 by 20, and one of the same height that begins at its left side.
@pytest.mark.parametrize(
    ("width", "is_same"),
    [pytest.param(6.1, True, id="just over 0.3"), pytest.param(5.9, False, id="just under")],
)
def test_the_same_face_overlaps_by_three_tenths(width: float, *, is_same: bool) -> None:
    face = find_nearest_face(PORTRAIT.faces[0], [found((5, 5, 5 + width, 25))])
    assert (face is not None) == is_same


def test_of_several_the_nearest_is_taken_whatever_its_score() -> None:
    good, better = found((5, 5, 25, 20), 0.9), found(HEAD, 0.4)
    assert find_nearest_face(PORTRAIT.faces[0], [good, better]) is better


def test_faces_without_landmarks_and_those_that_do_not_count_are_left_out() -> None:
    assert find_faces_with_points(labelled([HEAD])) == []
    assert find_faces_with_points(
        labelled([HEAD, HEAD], counted=[False, True], has_points=True)
    ) == [1]
    assert find_faces_with_points(labelled([])) == []


def test_offset_of_a_model_is_no_error() -> None:
    boxes = [(4, 5, 27, 25), (4, 5, 27, 25), (4, 9, 27, 25)]
    aligned = measure_alignment([answer(PORTRAIT, [found(box)]) for box in boxes])
    assert aligned.box_offset == pytest.approx([-0.1, 0, 0.2, 0])
    assert aligned.boxes == pytest.approx([0, 0, 0.1])
