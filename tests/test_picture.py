import numpy as np
import pytest
from PIL import Image, ImageOps

from phiz.picture import (
    Picture,
    Raster,
    Reduced,
    raster,
    rgb,
    spread,
    turned,
    turned_origin,
    turned_size,
    words,
)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_word_holds_red_lowest() -> None:
    image = np.array([[[0x11, 0x22, 0x33]]], np.uint8)
    assert raster(image).tolist() == [[0x332211]]
    assert words(np.array([[[1, 2, 3, 4]]], np.uint8)).tolist() == [[0x04030201]]


def test_an_image_comes_back_from_its_raster() -> None:
    image = noise(5, 7)
    assert (rgb(raster(image)) == image).all()


def test_channels_are_spread_without_the_fourth() -> None:
    assert int(spread(np.array([0xFF332211], np.uint32))[0]) == 0x11 | 0x22 << 21 | 0x33 << 42


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_raster_is_turned_as_pillow_turns(orientation: int) -> None:
    image = noise(5, 7)
    picture = Image.fromarray(image)
    picture.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(picture))
    upright = turned(raster(image), orientation)
    assert (rgb(upright) == expected).all()
    assert turned_size((7, 5), orientation) == expected.shape[1::-1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_turned_reduction_begins_where_its_origin_says(orientation: int, factor: int) -> None:
    width, height = 21, 13
    columns, rows = -(-width // factor), -(-height // factor)
    # Each word holds the column and the row of the stored picture that its corner is at.
    corners = np.mgrid[:rows, :columns] * factor
    stored: Raster = (corners[1] + 256 * corners[0]).astype(np.uint32)
    over = columns * factor - width, rows * factor - height
    x, y = turned_origin(over, orientation)
    upright = turned(stored, orientation)
    full = np.mgrid[: rows * factor, : columns * factor]
    whole = turned((full[1] + 256 * full[0]).astype(np.uint32)[:height, :width], orientation)
    for i, row in enumerate(upright):
        for j, word in enumerate(row):
            block = whole[
                max(0, i * factor + y) : i * factor + y + factor,
                max(0, j * factor + x) : j * factor + x + factor,
            ]
            assert word in block


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
    assert [picture.reduced(least).factor for least in (50, 100, 200)] == [1, 1, 1]
    assert picture.whole().shape == (300, 400)
    assert asked == [8]


def test_an_image_is_a_picture_of_one_scale() -> None:
    picture = Picture.of(noise(30, 40))
    assert (picture.width, picture.height) == (40, 30)
    assert picture.reduced(1).factor == 1
    assert picture.whole().shape == (30, 40)
