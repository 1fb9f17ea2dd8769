import numpy as np
import pytest

from phiz.image.lazy import Picture, Reduced
from phiz.image.orientation import turned, turned_origin, turned_size
from phiz.image.pixels import raster, rgb

from .test_pixels import noise


def reads(asked: list[int]) -> Picture:
    def read(factor: int) -> Reduced:
        asked.append(factor)
        return Reduced(np.zeros((-(-300 // factor), -(-400 // factor)), np.uint32), factor)

    return Picture((400, 300), read)


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
    assert reads(asked).reduced(least).factor == factor
    assert asked == [factor]


def test_each_scale_is_read_once() -> None:
    asked: list[int] = []
    picture = reads(asked)
    for least in (50, 50, 400, 50):
        picture.reduced(least)
    picture.whole()
    assert asked == [8, 1]


def test_a_picture_without_scales_is_read_once() -> None:
    asked: list[int] = []

    def read(factor: int) -> Reduced:
        asked.append(factor)
        return Reduced(np.zeros((300, 400), np.uint32))

    picture = Picture((400, 300), read)
    assert [picture.reduced(least).factor for least in (50, 100, 200)] == [8, 4, 2]
    assert picture.whole().shape == (300, 400)
    assert asked == [8]


def test_of_a_picture_without_scales_blocks_are_averaged() -> None:
    image = noise(301, 403)  # neither is a multiple of the factor: the last blocks are smaller
    reduced = Picture.of(image).reduced(100)
    assert (reduced.factor, reduced.origin_xy) == (4, (0, 0))
    means = rgb(reduced.pixels)
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

    def read(factor: int) -> Reduced:
        blocks = turned(raster(image[::factor, ::factor]), stored)
        return Reduced(blocks, factor, turned_origin(over, stored) if factor > 1 else (0, 0))

    picture = Picture(turned_size((37, 21), stored), read)
    whole = turned(turned(raster(image[:21, :37]), stored), orientation)
    again = picture.turned(orientation)
    assert (again.height, again.width) == whole.shape
    reduced = again.reduced(8)
    assert reduced.factor == 4
    x, y = reduced.origin_xy
    # Each block's own pixel: the one that is stored first of it.
    flips = {int(word) for word in reduced.pixels.ravel()}
    assert flips == {int(word) for word in raster(image[::4, ::4]).ravel()}
    rows, columns = np.indices(reduced.pixels.shape) * 4 + np.array([y, x])[:, None, None]
    for row, column, word in zip(
        rows.ravel(), columns.ravel(), reduced.pixels.ravel(), strict=True
    ):
        block = whole[max(0, row) : row + 4, max(0, column) : column + 4]
        assert word in block


def test_the_finest_scale_is_of_those_that_were_read() -> None:
    asked: list[int] = []
    picture = reads(asked)
    picture.reduced(50)
    picture.reduced(100)
    assert picture.finest().factor == 4
    assert asked == [8, 4]
    assert reads(asked).finest().factor == 1


def test_an_image_is_a_picture() -> None:
    picture = Picture.of(noise(30, 40))
    assert (picture.width, picture.height) == (40, 30)
    assert picture.reduced(41).factor == 1
    assert picture.whole().shape == (30, 40)
