import numpy as np
import pytest

from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.orientation import apply_orientation, compute_upright_origin, to_upright_size
from phiz.image.pixels import pack_pixels, unpack_rgb

from .test_pixels import noise


def reads(asked: list[int]) -> LazyImage:
    def read(factor: int) -> ScaledImage:
        asked.append(factor)
        return ScaledImage(np.zeros((-(-300 // factor), -(-400 // factor)), np.uint32), factor)

    return LazyImage((400, 300), read)


@pytest.mark.parametrize(
    ("least", "factor"),
    [
        pytest.param(50, 8, id="an eighth has just as many"),
        pytest.param(50.1, 4, id="an eighth has too few"),
        pytest.param(100, 4, id="a quarter"),
        pytest.param(200, 2, id="a half"),
        pytest.param(201, 1, id="the whole"),
        pytest.param(401, 1, id="more than there is"),
        pytest.param(float("inf"), 1, id="all there is"),
    ],
)
def test_the_smallest_scale_that_has_enough(least: float, factor: int) -> None:
    asked: list[int] = []
    assert reads(asked).decode_scaled(least).factor == factor
    assert asked == [factor]


def test_each_scale_is_read_once() -> None:
    asked: list[int] = []
    image = reads(asked)
    for least in (50, 50, 400, 50):
        image.decode_scaled(least)
    image.decode_full()
    assert asked == [8, 1]


def test_a_picture_without_scales_is_read_once() -> None:
    asked: list[int] = []

    def read(factor: int) -> ScaledImage:
        asked.append(factor)
        return ScaledImage(np.zeros((300, 400), np.uint32))

    image = LazyImage((400, 300), read)
    assert [image.decode_scaled(least).factor for least in (50, 100, 200)] == [8, 4, 2]
    assert image.decode_full().shape == (300, 400)
    assert asked == [8]


def test_of_a_picture_without_scales_blocks_are_averaged() -> None:
    image = noise(301, 403)  # neither is a multiple of the factor: the last blocks are smaller
    scaled = LazyImage.from_array(image).decode_scaled(100)
    assert (scaled.factor, scaled.origin_xy) == (4, (0, 0))
    means = unpack_rgb(scaled.pixels)
    assert means.shape == (76, 101, 3)
    for row, column in ((0, 0), (74, 99), (75, 50), (30, 100), (75, 100)):
        block = image[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].reshape(-1, 3)
        assert np.abs(means[row, column] - block.mean(axis=0)).max() < 1


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("stored", range(1, 9))
def test_a_picture_can_be_turned_at_any_scale(stored: int, orientation: int) -> None:
    # 37 × 21 is no multiple of 4, so that blocks hang over at the ends that are stored last.
    over = -37 % 4, -21 % 4
    image = np.pad(noise(21, 37), ((0, over[1]), (0, over[0]), (0, 0)), "edge")

    def read(factor: int) -> ScaledImage:
        blocks = apply_orientation(pack_pixels(image[::factor, ::factor]), stored)
        return ScaledImage(
            blocks, factor, compute_upright_origin(over, stored) if factor > 1 else (0, 0)
        )

    lazy = LazyImage(to_upright_size((37, 21), stored), read)
    whole = apply_orientation(apply_orientation(pack_pixels(image[:21, :37]), stored), orientation)
    again = lazy.rotate_to_upright(orientation)
    assert (again.height, again.width) == whole.shape
    scaled = again.decode_scaled(8)
    assert scaled.factor == 4
    x, y = scaled.origin_xy
    # Each block's own pixel: the one that is stored first of it.
    flips = {int(word) for word in scaled.pixels.ravel()}
    assert flips == {int(word) for word in pack_pixels(image[::4, ::4]).ravel()}
    rows, columns = np.indices(scaled.pixels.shape) * 4 + np.array([y, x])[:, None, None]
    for row, column, word in zip(rows.ravel(), columns.ravel(), scaled.pixels.ravel(), strict=True):
        block = whole[max(0, row) : row + 4, max(0, column) : column + 4]
        assert word in block


def test_the_finest_scale_is_of_those_that_were_read() -> None:
    asked: list[int] = []
    image = reads(asked)
    image.decode_scaled(50)
    image.decode_scaled(100)
    assert image.get_finest_scale().factor == 4
    assert asked == [8, 4]
    assert reads(asked).get_finest_scale().factor == 1


def test_an_image_is_a_picture() -> None:
    image = LazyImage.from_array(noise(30, 40))
    assert (image.width, image.height) == (40, 30)
    assert image.decode_scaled(41).factor == 1
    assert image.decode_full().shape == (30, 40)
