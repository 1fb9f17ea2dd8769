import numpy as np
import pytest
from PIL import Image, ImageOps

from phiz.image.orientation import (
    apply_orientation,
    compute_upright_origin,
    to_stored_points,
    to_upright_size,
)
from phiz.image.pixels import PackedPixels, pack_pixels, unpack_rgb

from .test_pixels import noise


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_raster_is_turned_as_pillow_turns(orientation: int) -> None:
    image = noise(5, 7)
    saved = Image.fromarray(image)
    saved.getexif()[0x0112] = orientation
    expected = np.asarray(ImageOps.exif_transpose(saved))
    upright = apply_orientation(pack_pixels(image), orientation)
    assert (unpack_rgb(upright) == expected).all()
    assert to_upright_size((7, 5), orientation) == expected.shape[1::-1]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_turned_reduction_begins_where_its_origin_says(orientation: int, factor: int) -> None:
    width, height = 21, 13
    columns, rows = -(-width // factor), -(-height // factor)
    # Each word holds the column and the row of the stored picture that its corner is at.
    corners = np.mgrid[:rows, :columns] * factor
    stored: PackedPixels = (corners[1] + 256 * corners[0]).astype(np.uint32)
    over = columns * factor - width, rows * factor - height
    x, y = compute_upright_origin(over, orientation)
    upright = apply_orientation(stored, orientation)
    full = np.mgrid[: rows * factor, : columns * factor]
    whole = apply_orientation(
        (full[1] + 256 * full[0]).astype(np.uint32)[:height, :width], orientation
    )
    for i, row in enumerate(upright):
        for j, word in enumerate(row):
            block = whole[
                max(0, i * factor + y) : i * factor + y + factor,
                max(0, j * factor + x) : j * factor + x + factor,
            ]
            assert word in block


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_come_back_from_a_turned_picture(orientation: int) -> None:
    image = np.zeros((5, 7, 3), np.uint8)
    image[1, 4] = 255
    ((row, column, _), *_) = np.argwhere(
        unpack_rgb(apply_orientation(pack_pixels(image), orientation))
    )
    centre = np.array([[column + 0.5, row + 0.5]])
    assert to_stored_points(centre, (7, 5), orientation).tolist() == [[4.5, 1.5]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_takes_no_memory(orientation: int) -> None:
    stored = pack_pixels(noise(5, 7))
    assert np.shares_memory(apply_orientation(stored, orientation), stored)
