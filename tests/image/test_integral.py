import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.image.integral import MAX_WINDOW_PX, compute_integral, resize_level_tile, resize_regions
from phiz.image.pixels import pack_pixels, spread_channels


def slow_average(image: np.ndarray, shape_hw: tuple[int, int]) -> np.ndarray:
    """Adaptive average pooling as it is defined, one window after the other."""
    (height, width, _), (rows, columns) = image.shape, shape_hw
    averages = np.empty((rows, columns, 3))
    for i in range(rows):
        for j in range(columns):
            y = slice(i * height // rows, -(-(i + 1) * height // rows))
            x = slice(j * width // columns, -(-(j + 1) * width // columns))
            averages[i, j] = image[y, x].astype(np.float64).mean(axis=(0, 1))
    return averages


def whole_level(image: np.ndarray, shape_hw: tuple[int, int]) -> np.ndarray:
    return resize_level_tile(
        compute_integral(pack_pixels(image)), shape_hw, (range(shape_hw[0]), range(shape_hw[1]))
    )


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50), st.integers(1, 50))
def test_level_equals_the_slow_average(height: int, width: int, rows: int, columns: int) -> None:
    image = noise(height, width)
    averages = whole_level(image, (rows, columns))
    assert averages == pytest.approx(slow_average(image, (rows, columns)), abs=1e-4)
    assert averages.dtype == np.float32


def test_level_gives_the_tile_asked_for() -> None:
    image = noise(50, 31)
    tile = resize_level_tile(
        compute_integral(pack_pixels(image)), (17, 12), (range(5, 11), range(3, 9))
    )
    assert tile.tolist() == whole_level(image, (17, 12))[5:11, 3:9].tolist()


@pytest.mark.parametrize("shape_hw", [(1, 1), (2, 3), (3, 2)], ids=str)
@pytest.mark.parametrize("size", [(500, 450), (9000, 7), (5, 9001), (181, 271)], ids=str)
def test_windows_of_any_size(size: tuple[int, int], shape_hw: tuple[int, int]) -> None:
    image = noise(*size)
    assert whole_level(image, shape_hw) == pytest.approx(slow_average(image, shape_hw), abs=1e-4)


@pytest.mark.parametrize("side", [90, 91], ids=["a window that fits", "one that does not"])
def test_windows_of_white_at_the_limit_of_21_bits(side: int) -> None:
    assert (side * side > MAX_WINDOW_PX) == (side == 91)
    image = np.full((2 * side, 3 * side, 3), 255, np.uint8)
    image[:, :side, 1] = 7
    averages = whole_level(image, (2, 3))
    assert averages[..., 0] == pytest.approx(np.full((2, 3), 255))
    assert averages[..., 1] == pytest.approx(np.array([[7, 255, 255]] * 2))


def test_crops_equal_the_slow_average() -> None:
    image = noise(60, 80)
    regions = np.array([[0, 0, 80, 60], [3, 5, 4, 6], [10, 20, 45, 31], [79, 59, 80, 60]])
    pixels = resize_regions(compute_integral(pack_pixels(image)), regions, 24)
    for found, (x1, y1, x2, y2) in zip(pixels, regions, strict=True):
        assert found == pytest.approx(slow_average(image[y1:y2, x1:x2], (24, 24)), abs=1e-4)


def test_a_crop_with_windows_too_large_for_the_integral() -> None:
    image = noise(300, 280)
    regions = np.array([[0, 0, 280, 300], [5, 5, 25, 25]])
    pixels = resize_regions(compute_integral(pack_pixels(image)), regions, 2)
    assert pixels[0] == pytest.approx(slow_average(image, (2, 2)), abs=1e-4)
    assert pixels[1] == pytest.approx(slow_average(image[5:25, 5:25], (2, 2)), abs=1e-4)


def test_no_crops() -> None:
    image = noise(10, 10)
    assert resize_regions(
        compute_integral(pack_pixels(image)), np.empty((0, 4), np.intp), 24
    ).shape == (
        0,
        24,
        24,
        3,
    )


@pytest.mark.parametrize("shape_hw", [(1, 150_000), (3, 70_000), (70_000, 3)], ids=str)
def test_sums_of_long_lines_equal_those_of_numpy(shape_hw: tuple[int, int]) -> None:
    pixels = pack_pixels(noise(*shape_hw))
    expected = spread_channels(pixels).cumsum(axis=0).cumsum(axis=1)
    assert (compute_integral(pixels)[1:, 1:] == expected).all()


def test_a_long_line_takes_little_memory_beside_its_sums() -> None:
    pixels = np.zeros((1, 2_000_000), np.uint32)
    tracemalloc.start()
    sums = compute_integral(pixels)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < sums.nbytes + 4_000_000
