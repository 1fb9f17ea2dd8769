import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from phiz.boxes.geometry import Letterbox
from phiz.image import resample
from phiz.image.lazy import ScaledImage
from phiz.image.pixels import pack_pixels
from phiz.image.resample import SAMPLINGS, Sampling, fit_image, letterbox_image

sizes = st.tuples(st.integers(1, 60), st.integers(1, 60))


def reduced(image: np.ndarray) -> ScaledImage:
    return ScaledImage(pack_pixels(image))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def pixel(image: np.ndarray, y: int, x: int) -> np.ndarray:
    height, width, _ = image.shape
    inside = 0 <= y < height and 0 <= x < width
    return image[y, x].astype(float) if inside else np.zeros(3)


def slow_reference(image: np.ndarray, frame: Letterbox) -> np.ndarray:
    """Corner-aligned bilinear sampling of the square padded with black, to 1/32 of a pixel."""
    square = np.zeros((frame.size, frame.size, 3))
    for i in range(frame.size):
        for j in range(frame.size):
            y = math.floor((i * frame.scale - frame.pad_y_px) * 32 + 0.5) / 32
            x = math.floor((j * frame.scale - frame.pad_x_px) * 32 + 0.5) / 32
            top, left = math.floor(y), math.floor(x)
            for dy, share_y in ((0, 1 - (y - top)), (1, y - top)):
                for dx, share_x in ((0, 1 - (x - left)), (1, x - left)):
                    square[i, j] += share_y * share_x * pixel(image, top + dy, left + dx)
    return square


@given(sizes)
def test_reference_equals_slow_sampling(size: tuple[int, int]) -> None:
    image = noise(*size)
    frame = Letterbox.fit(size[1], size[0], 16)
    assert letterbox_image(reduced(image), frame, "reference") == pytest.approx(
        slow_reference(image, frame), abs=0.51
    )


@pytest.mark.parametrize("sampling", ["half-pixel", "area"])
@pytest.mark.parametrize(
    "size", [(480, 640), (640, 480), (100, 357), (64, 64), (311, 400)], ids=str
)
def test_a_ramp_keeps_its_values_where_undo_says(sampling: Sampling, size: tuple[int, int]) -> None:
    height, width = size
    y, x = np.mgrid[:height, :width] + 0.5
    image = np.stack([255 * x / width, 255 * y / height, 0 * x + 90], axis=-1).astype(np.uint8)
    frame = Letterbox.fit(width, height, 128)
    square = letterbox_image(reduced(image), frame, sampling)
    centres = np.mgrid[:128, :128][::-1].transpose(1, 2, 0).astype(np.float32) + 0.5
    source = frame.to_image_points(centres)  # (128, 128, 2), pixels of the picture
    margin = 2 * frame.scale + 1  # near the border the window is cut
    inner = ((source > margin) & (source < np.array([width, height]) - margin)).all(axis=-1)
    assert inner.sum() > 1000
    # uint8 of the ramp rounds down, by half a level on average.
    assert square[inner][:, 0] == pytest.approx(255 * source[inner][:, 0] / width - 0.5, abs=1.3)
    assert square[inner][:, 1] == pytest.approx(255 * source[inner][:, 1] / height - 0.5, abs=1.3)
    assert (square[inner][:, 2] == 90).all()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@given(size=st.tuples(st.integers(4, 300), st.integers(4, 300)))
def test_white_stays_white_and_bars_stay_black(sampling: Sampling, size: tuple[int, int]) -> None:
    height, width = size
    frame = Letterbox.fit(width, height, 32)
    assume(min(size) >= 4 * frame.scale)  # thinner ones need not reach full white
    square = letterbox_image(reduced(np.full((height, width, 3), 255, np.uint8)), frame, sampling)
    assert square.shape == (32, 32, 3)
    assert square.dtype == np.uint8
    centres = (np.arange(32) + 0.5) * frame.scale
    for axis, bar, length in ((1, frame.pad_y_px, height), (0, frame.pad_x_px, width)):
        line = square.max(axis=(axis, 2))
        beyond = (centres < bar - frame.scale - 1) | (centres > bar + length + frame.scale)
        within = (centres > bar + frame.scale + 1) & (centres < bar + length - frame.scale - 1)
        assert (line[beyond] == 0).all()
        assert (line[within] == 255).all()


def test_reference_takes_every_fifth_pixel_of_640_by_480() -> None:
    image = noise(480, 640)
    square = letterbox_image(reduced(image), Letterbox.fit(640, 480, 128), "reference")
    assert (square[16:112] == image[::5, ::5]).all()
    assert not square[:16].any()
    assert not square[112:].any()


def test_half_pixel_takes_the_middle_of_each_five() -> None:
    image = noise(480, 640)
    square = letterbox_image(reduced(image), Letterbox.fit(640, 480, 128), "half-pixel")
    assert (square[16:112] == image[2::5, 2::5]).all()


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (5000, 1)], ids=str)
def test_extreme_shapes_give_a_square(sampling: Sampling, size: tuple[int, int]) -> None:
    height, width = size
    image = reduced(np.full((height, width, 3), 200, np.uint8))
    square = letterbox_image(image, Letterbox.fit(width, height, 128), sampling)
    assert square.shape == (128, 128, 3)


@pytest.mark.parametrize("sampling", ["half-pixel", "area"])
def test_a_reduced_picture_lies_where_the_whole_one_does(sampling: Sampling) -> None:
    height, width, factor = 803, 1201, 4
    y, x = np.mgrid[:height, :width]
    image = np.stack([y * 255 / height, x * 255 / width, 0 * x], axis=-1)
    # Three pixels on the left and one above hang over, as in a picture that was turned.
    rows, columns = -(-(height + 1) // factor), -(-(width + 3) // factor)
    padded = np.zeros((rows * factor, columns * factor, 3))
    padded[1 : 1 + height, 3 : 3 + width] = image
    blocks = padded.reshape(rows, factor, columns, factor, 3).mean(axis=(1, 3)).astype(np.uint8)
    frame = Letterbox.fit(width, height, 128)
    whole = letterbox_image(reduced(image.astype(np.uint8)), frame, sampling).astype(int)
    small = letterbox_image(ScaledImage(pack_pixels(blocks), factor, (-3, -1)), frame, sampling)
    inner = slice(30, 98)
    assert np.abs(whole - small)[inner, inner].max() <= 1


@pytest.mark.parametrize("scale", [0.4, 1.37, 3.0])
@pytest.mark.parametrize("band_px", [1, 7, 1000])
def test_bands_do_not_change_the_result(
    monkeypatch: pytest.MonkeyPatch, scale: float, band_px: int
) -> None:
    pixels = np.random.default_rng(1).integers(0, 2**24, (37, 53), np.uint32)
    shape_hw = math.ceil(37 / scale) + 3, math.ceil(53 / scale) + 2
    whole = fit_image(ScaledImage(pixels, 1), scale, shape_hw, "half-pixel")
    monkeypatch.setattr(resample, "BAND_PX", band_px)
    banded = fit_image(ScaledImage(pixels, 1), scale, shape_hw, "half-pixel")
    np.testing.assert_array_equal(banded, whole)
    assert whole.any()
