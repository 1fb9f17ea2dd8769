import numpy as np

from phiz.image.pixels import pack_pixels, pack_rgbx, spread_channels, unpack_rgb


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_a_word_holds_red_lowest() -> None:
    image = np.array([[[0x11, 0x22, 0x33]]], np.uint8)
    assert pack_pixels(image).tolist() == [[0x332211]]
    assert pack_rgbx(np.array([[[1, 2, 3, 4]]], np.uint8)).tolist() == [[0x04030201]]


def test_an_image_comes_back_from_its_raster() -> None:
    image = noise(5, 7)
    assert (unpack_rgb(pack_pixels(image)) == image).all()


def test_channels_are_spread_without_the_fourth() -> None:
    assert (
        int(spread_channels(np.array([0xFF332211], np.uint32))[0]) == 0x11 | 0x22 << 21 | 0x33 << 42
    )
