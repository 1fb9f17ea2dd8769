import io

import numpy as np
import pytest
from PIL import Image as Pillow

from phiz.editing.encode import MEDIA_TYPES, check_answer_bytes, encode_image, to_pillow
from phiz.errors import ImageBytesError, ImagePixelsError
from phiz.image.limits import DecodingLimits
from phiz.image.orientation import apply_orientation
from phiz.image.pixels import pack_pixels
from phiz.options import PictureFormat

LIMITS = DecodingLimits(100_000, 1 << 20)
FORMATS: tuple[PictureFormat, ...] = ("jpeg", "png", "webp")


@pytest.mark.parametrize("picture_format", FORMATS)
def test_an_image_has_its_format_and_its_size(picture_format: PictureFormat) -> None:
    picture = encode_image(Pillow.new("RGB", (30, 20), "red"), picture_format, LIMITS)
    assert picture.media_type == MEDIA_TYPES[picture_format]
    decoded = Pillow.open(io.BytesIO(picture.content))
    assert (decoded.format, decoded.size) == (picture_format.upper(), (30, 20))
    red, green, blue = np.asarray(decoded.convert("RGB")).mean(axis=(0, 1))
    assert red > 240
    assert max(green, blue) < 15


@pytest.mark.parametrize(
    ("picture_format", "side"), [("webp", 16_384), ("jpeg", 65_501)], ids=["webp", "jpeg"]
)
def test_a_side_that_the_format_has_not_is_refused(
    picture_format: PictureFormat, side: int
) -> None:
    image = Pillow.new("RGB", (side - 1, 1))
    assert encode_image(image, picture_format, LIMITS).content
    with pytest.raises(ImagePixelsError, match=f"{side} x 1; the limit of a side is {side - 1}"):
        encode_image(Pillow.new("RGB", (side, 1)), picture_format, LIMITS)
    assert encode_image(Pillow.new("RGB", (side, 1)), "png", LIMITS).content


def test_an_answer_has_four_times_the_bytes_of_an_image() -> None:
    check_answer_bytes(400_000, LIMITS)
    with pytest.raises(ImageBytesError, match="400001 bytes or more; the limit is 400000 bytes"):
        check_answer_bytes(400_001, LIMITS)
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    with pytest.raises(ImageBytesError):
        encode_image(Pillow.fromarray(noise), "png", LIMITS)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_packed_pixels_become_the_same_image_however_they_are_turned(orientation: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    turned = apply_orientation(pack_pixels(image), orientation)
    converted = to_pillow(turned)
    assert (converted.mode, converted.size) == ("RGB", turned.shape[::-1])
    for y, x in np.ndindex(turned.shape):
        word = int(turned[y, x])
        assert converted.getpixel((x, y)) == (word & 255, word >> 8 & 255, word >> 16 & 255)
