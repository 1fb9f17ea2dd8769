"""Crops: where the eyes are, how pixels are sampled, and which pixels are decoded."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from phiz.editing.crop import EYES_TEMPLATE, compute_transform, crop_faces
from phiz.editing.options import CropOptions
from phiz.faces import Face, Point, RgbImage
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.pixels import pack_pixels

CANVAS_WH = (400, 300)


def build_face(centre: Point, eye_distance: float, roll: float) -> Face:
    """A face around a point between its eyes, turned clockwise by ``roll`` degrees."""
    x, y = centre
    half = eye_distance / 2
    dx, dy = half * math.cos(math.radians(roll)), half * math.sin(math.radians(roll))
    side = 1.2 * eye_distance
    box = (x - side, y - side, x + side, y + side)
    return Face(box, 0.9, {"left_eye": (x - dx, y - dy), "right_eye": (x + dx, y + dy)}, "front")


def draw_eyes(face: Face, size_wh: tuple[int, int] = CANVAS_WH, radius: float = 5) -> RgbImage:
    """Return a grey image with a red left and a green right eye, drawn without steps."""
    factor = 4
    image = Pillow.new("RGB", (factor * size_wh[0], factor * size_wh[1]), (128, 128, 128))
    draw = ImageDraw.Draw(image)
    for name, colour in (("left_eye", (255, 0, 0)), ("right_eye", (0, 255, 0))):
        x, y = (factor * value - 0.5 for value in face.landmarks[name])
        draw.circle((x, y), factor * radius, fill=colour)
    return np.asarray(image.reduce(factor))


def find_eyes(crop: Pillow.Image) -> tuple[Point, Point]:
    """Return the middles of the red and of the green pixels."""
    pixels = np.asarray(crop).astype(float)

    def find_middle(weights: NDArray[np.float64]) -> Point:
        weights = weights.clip(40) - 40
        rows, columns = np.indices(weights.shape) + 0.5
        total = weights.sum()
        return float((weights * columns).sum() / total), float((weights * rows).sum() / total)

    red, green, blue = np.moveaxis(pixels, 2, 0)
    return find_middle(red - (green + blue) / 2), find_middle(green - (red + blue) / 2)


@pytest.mark.parametrize("roll", [0, 17, -38, 90, 180])
@pytest.mark.parametrize(("size", "margin"), [(112, None), (160, 0.25), (48, 1)])
@pytest.mark.parametrize("eye_distance", [26, 61.3])
def test_aligned_eyes_are_level_and_in_their_places(
    eye_distance: float, size: int, margin: float | None, roll: float
) -> None:
    face = build_face((203.3, 148.8), eye_distance, roll)
    image = LazyImage.from_array(draw_eyes(face, radius=eye_distance / 8))
    options = CropOptions(size, margin, "eyes")
    (crop,) = crop_faces(image, [face], options)
    left, right = find_eyes(crop.image)
    angle = math.degrees(math.atan2(right[1] - left[1], right[0] - left[0]))
    assert abs(angle) <= 1
    space = margin or 0
    for eye, (x, y) in zip((left, right), EYES_TEMPLATE, strict=True):
        wanted = [size * (place + space) / (1 + 2 * space) for place in (x, y)]
        assert eye == pytest.approx(wanted, abs=0.02 * size)


def test_the_transform_says_where_the_eyes_are() -> None:
    face = build_face((203.3, 148.8), 61.3, 25)
    transform, align = compute_transform(face, CropOptions(align="eyes"))
    assert align == "eyes"
    for name, place in zip(("left_eye", "right_eye"), EYES_TEMPLATE, strict=True):
        x, y = face.landmarks[name]
        assert transform @ (x, y, 1) == pytest.approx([112 * value for value in place])
    # A similarity keeps angles.
    assert transform[0, 0] == pytest.approx(transform[1, 1])
    assert transform[0, 1] == pytest.approx(-transform[1, 0])


def test_eyes_of_a_profile_are_not_aligned() -> None:
    face = Face((0, 0, 100, 100), 0.9, {"left_eye": (50, 40), "right_eye": (55, 40)}, "front")
    aligned, how = compute_transform(face, CropOptions(align="eyes", margin=0.3))
    plain, _ = compute_transform(face, CropOptions(margin=0.3))
    assert how == "none"
    np.testing.assert_array_equal(aligned, plain)


@pytest.mark.parametrize(("margin", "side"), [(None, 120), (0, 100), (0.5, 200)])
def test_a_plain_crop_is_a_square_around_the_middle_of_the_box(
    margin: float | None, side: float
) -> None:
    face = Face((50, 20, 130, 120), 0.9, {}, "front")
    transform, _ = compute_transform(face, CropOptions(80, margin))
    assert transform @ (90, 70, 1) == pytest.approx([40, 40])
    assert transform @ (90 - side / 2, 70 - side / 2, 1) == pytest.approx([0, 0])


def test_pixels_of_a_crop_at_full_size_are_those_of_the_image() -> None:
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (80, 90, 3), np.uint8)
    face = Face((20, 10, 84, 74), 0.9, {}, "front")
    (crop,) = crop_faces(LazyImage.from_array(image), [face], CropOptions(64, 0))
    np.testing.assert_array_equal(np.asarray(crop.image), image[10:74, 20:84])


def test_a_smaller_crop_averages_all_pixels() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 200
    face = Face((0, 0, 256, 256), 0.9, {}, "front")
    (crop,) = crop_faces(LazyImage.from_array(stripes), [face], CropOptions(32, 0))
    assert np.abs(np.asarray(crop.image).astype(int) - 100).max() <= 1


def test_there_is_black_outside_the_image() -> None:
    image = np.full((50, 50, 3), 200, np.uint8)
    face = Face((20, 20, 50, 50), 0.9, {}, "front")
    (crop,) = crop_faces(LazyImage.from_array(image), [face], CropOptions(60, 0.5))
    pixels = np.asarray(crop.image)[..., 0]
    assert (pixels[46:, :] == 0).all()
    assert (pixels[:44, :44] == 200).all()


@pytest.mark.parametrize("box", [(500, 500, 510, 510), (-90, -90, -50, -50)])
def test_a_face_outside_the_image_is_black(box: tuple[float, float, float, float]) -> None:
    image = LazyImage.from_array(np.full((50, 50, 3), 200, np.uint8))
    (crop,) = crop_faces(image, [Face(box, 0.9, {}, "front")], CropOptions(20, 0))
    assert crop.image.size == (20, 20)
    assert crop.image.getextrema() == ((0, 0),) * 3


def test_a_face_of_no_size_has_a_crop() -> None:
    image = LazyImage.from_array(np.full((50, 50, 3), 200, np.uint8))
    points = {"left_eye": (9.0, 9.0), "right_eye": (9.0, 9.0)}
    face = Face((9, 9, 9, 9), 0.9, points, "front")
    (crop,) = crop_faces(image, [face], CropOptions(20, align="eyes"))
    assert (crop.align, crop.image.size) == ("none", (20, 20))


def test_no_face_decodes_nothing() -> None:
    def decode(_: int) -> ScaledImage:
        raise AssertionError("there is nothing to decode")

    assert crop_faces(LazyImage((800, 600), decode), [], CropOptions()) == []


@pytest.mark.parametrize(
    ("side", "factor"), [(112 * 16, 8), (112 * 5, 4), (112 * 2.1, 2), (112, 1), (20, 1)]
)
def test_pixels_are_decoded_at_the_scale_of_the_smallest_face(side: float, factor: int) -> None:
    asked = []

    def decode(scale: int) -> ScaledImage:
        asked.append(scale)
        shape = -(-4000 // scale), -(-4000 // scale), 3
        return ScaledImage(pack_pixels(np.full(shape, 77, np.uint8)), scale)

    large, small = Face((0, 0, 3000, 3000), 0.9, {}, "front"), Face((9, 9, 9 + side, 9), 1, {}, "")
    crops = crop_faces(LazyImage((4000, 4000), decode), [large, small], CropOptions(margin=0))
    assert asked == [factor]
    assert crops[0].image.getextrema() == ((77, 77),) * 3


@pytest.mark.parametrize(("size", "factor"), [(112, 8), (220, 4), (440, 2), (900, 1)])
def test_a_crop_is_in_its_place_at_every_scale(size: int, factor: int) -> None:
    face = build_face((803.3, 648.8), 300, 12)
    full = Pillow.fromarray(draw_eyes(face, (1600, 1200), 40))
    asked = []

    def decode(scale: int) -> ScaledImage:
        asked.append(scale)
        return ScaledImage(pack_pixels(np.asarray(full.reduce(scale))), scale)

    image, options = LazyImage(full.size, decode), CropOptions(size, align="eyes")
    (crop,) = crop_faces(image, [face], options)
    assert asked == [factor]
    for eye, place in zip(find_eyes(crop.image), EYES_TEMPLATE, strict=True):
        assert eye == pytest.approx([size * value for value in place], abs=0.01 * size)
