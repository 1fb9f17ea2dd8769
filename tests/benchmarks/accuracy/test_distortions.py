from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from benchmarks.accuracy import distortions
from benchmarks.accuracy.distortions import GREY, Scene
from benchmarks.accuracy.hard import GROUP_DISTORTIONS, PORTRAIT_DISTORTIONS

BOX = (60, 40, 100, 90)
EYES_AND_MORE = [[70, 55], [90, 55], [80, 65], [72, 78], [88, 78]]


def red_face(size_wh: tuple[int, int] = (200, 160)) -> Scene:
    """A red ellipse with its box and landmarks, on black."""
    image = Pillow.new("RGB", size_wh)
    left, top, right, bottom = BOX
    ImageDraw.Draw(image).ellipse((left, top, right - 1, bottom - 1), fill=(255, 0, 0))
    landmarks = np.array([EYES_AND_MORE], np.float32)
    return Scene(np.array(image), np.array([BOX], np.float32), landmarks)


def find_red(scene: Scene) -> np.ndarray:
    """The box of all that is red."""
    values = scene.image.astype(int)
    rows, columns = np.nonzero(values[..., 0] - values[..., 1] > 120)
    return np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])


@pytest.mark.parametrize("degrees", [0, 15, 30, 45, 60, 90, 180, 270])
def test_turned_box_is_around_the_turned_face(degrees: float) -> None:
    turned = distortions.turn_scene(red_face(), degrees)
    np.testing.assert_allclose(turned.boxes[0], find_red(turned), atol=1.5)


def test_quarter_turn_by_arithmetic() -> None:
    turned = distortions.turn_scene(red_face(), 90)  # clockwise: the left eye is the upper one
    assert turned.size_wh == (160, 200)
    assert turned.boxes[0] == pytest.approx([160 - 90, 60, 160 - 40, 100], abs=1e-3)
    assert turned.landmarks[0, 0] == pytest.approx([160 - 55, 70], abs=1e-3)
    np.testing.assert_array_equal(turned.image, np.rot90(red_face().image, -1))


def test_canvas_beside_a_turned_image_is_grey() -> None:
    turned = distortions.turn_scene(red_face(), 45)
    assert turned.image[0, 0].tolist() == [GREY] * 3
    assert min(turned.size_wh) > 200


@pytest.mark.parametrize(
    ("distort", "expected"),
    [
        (partial(distortions.crop_to_first_face, margin=0.0), (0, 0, 40, 50)),
        (partial(distortions.crop_to_first_face, margin=0.1), (4, 5, 44, 55)),
        (partial(distortions.crop_to_first_face, margin=-0.1), (0, 0, 32, 40)),
        (partial(distortions.crop_to_first_face, margin=1.0), (40, 40, 80, 90)),  # to the border
        (partial(distortions.cut_first_face, side="left"), (0, 40, 27, 90)),
        (partial(distortions.cut_first_face, side="top"), (60, 0, 100, 33)),
        (partial(distortions.cut_first_face, side="bottom"), (60, 40, 100, 73)),
        (partial(distortions.scale_scene, factor=0.25), (15, 10, 25, 22.5)),
    ],
)
def test_box_follows_the_face(distort: distortions.Distortion, expected: tuple[float, ...]) -> None:
    distorted = distort(red_face())
    assert distorted.boxes[0] == pytest.approx(expected, abs=0.01)
    np.testing.assert_allclose(find_red(distorted), expected, atol=1)


@pytest.mark.parametrize("side_px", [12, 28])
def test_lone_face_has_the_size_and_stands_where_its_box_is(side_px: float) -> None:
    alone = distortions.isolate_first_face(red_face(), side_px)
    left, top, right, bottom = alone.boxes[0].tolist()
    assert bottom - top == pytest.approx(side_px, abs=0.5)
    assert right - left == pytest.approx(side_px * 40 / 50, abs=0.5)
    np.testing.assert_allclose(find_red(alone), [left, top, right, bottom], atol=1.5)
    assert alone.size_wh == distortions.BACKGROUND_WH
    assert len(alone.boxes) == len(alone.landmarks) == 1
    eyes = alone.landmarks[0, :2]
    assert eyes[1, 0] - eyes[0, 0] == pytest.approx(20 / 50 * side_px, abs=0.3)


def test_background_is_grey_and_smooth() -> None:
    background = distortions.draw_background().astype(int)
    assert np.ptp(background, axis=2).max() == 0
    assert np.abs(np.diff(background[..., 0], axis=1)).max() < 20
    assert 50 < background.min() < background.max() < 210


def test_covered_parts_are_grey_and_the_rest_is_kept() -> None:
    scene = red_face()
    lower = distortions.cover_lower_half(scene).image
    assert (lower[65:90, 60:100] == GREY).all()
    np.testing.assert_array_equal(lower[:65], scene.image[:65])
    eyes = distortions.cover_eyes(scene).image  # 20 apart: 10 beyond them, and 7 above and below
    assert (eyes[48:62, 60:100] == GREY).all()
    assert (eyes == GREY).all(axis=2).sum() == 14 * 40


def test_gamma_keeps_black_and_white_and_darkens_between() -> None:
    values = np.array([[[0, 128, 255]]], np.uint8)
    scene = Scene(values, np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32))
    assert distortions.apply_gamma(scene, 3).image.tolist() == [[[0, 32, 255]]]  # 255 · 0.502³
    assert distortions.apply_gamma(scene, 1).image.tolist() == values.tolist()


def test_shot_noise_has_the_mean_of_the_light_and_its_variance() -> None:
    white = Scene(np.full((100, 100, 3), 200, np.uint8), *empty_labels())
    dark = distortions.add_shot_noise(white, 0.1).image.astype(float)
    assert dark.mean() == pytest.approx(20, abs=0.2)
    assert dark.var() == pytest.approx(20, rel=0.05)


def empty_labels() -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)


def test_blur_is_measured_in_distances_of_the_eyes() -> None:
    step = np.zeros((60, 200, 3), np.uint8)
    step[:, 100:] = 255
    scene = Scene(step, np.zeros((1, 4), np.float32), np.array([EYES_AND_MORE], np.float32))
    row = distortions.blur_scene(scene, 0.5).image[30, :, 0] / 255  # sigma of 10 pixels
    assert row[90] == pytest.approx(0.17, abs=0.02)  # Φ(−0.95), at the middle of the pixel
    assert row[110] == pytest.approx(0.85, abs=0.02)


def test_colour_is_removed_and_compression_changes_values() -> None:
    scene = red_face()
    assert np.ptp(distortions.remove_colour(scene).image.astype(int), axis=2).max() == 0
    rough, fine = (distortions.compress_scene(scene, quality).image for quality in (4, 95))
    errors = [np.abs(each.astype(int) - scene.image).mean() for each in (rough, fine)]
    assert errors[0] > 2 * errors[1] > 0


@pytest.mark.parametrize(
    "distort",
    [*PORTRAIT_DISTORTIONS.values(), *GROUP_DISTORTIONS.values()],
    ids=[*PORTRAIT_DISTORTIONS, *GROUP_DISTORTIONS],
)
def test_distortions_repeat_and_leave_their_input_as_it_is(
    distort: Callable[[Scene], Scene],
) -> None:
    scene = red_face()
    first, second = distort(scene), distort(scene)
    np.testing.assert_array_equal(first.image, second.image)
    np.testing.assert_array_equal(scene.image, red_face().image)
    np.testing.assert_array_equal(scene.boxes, red_face().boxes)
    assert first.image.dtype == np.uint8
    assert first.boxes.dtype == first.landmarks.dtype == np.float32
    low, high = first.boxes[0, :2], first.boxes[0, 2:]
    assert (low < high).all()
    assert (high <= np.array(first.size_wh)).all()
