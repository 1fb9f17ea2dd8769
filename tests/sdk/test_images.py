import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from phiz.errors import ImagePixelsError, UnsupportedImageError
from phiz.faces import RgbImage
from phiz.image.lazy import LazyImage
from phiz.image.pixels import unpack_rgb
from phiz.sdk.images import ImageSource, encode_image, load_image

ARRAY: RgbImage = np.random.default_rng(1).integers(0, 256, (4, 6, 3), np.uint8)


def decode(image_bytes: bytes) -> RgbImage:
    with Pillow.open(io.BytesIO(image_bytes)) as image:
        return np.asarray(image)


def test_path_text_and_bytes_are_the_content_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"content")
    sources: list[ImageSource] = [path, str(path), b"content"]
    for source in sources:
        assert load_image(source, 100) == encode_image(source) == b"content"


def test_missing_file_is_an_error_of_the_system() -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.jpg"):
        encode_image("none.jpg")


def test_array_is_opened_as_it_is_and_encoded_without_loss() -> None:
    opened = load_image(ARRAY, 24)
    assert isinstance(opened, LazyImage)
    assert (opened.width, opened.height) == (6, 4)
    assert np.array_equal(unpack_rgb(opened.decode_full()), ARRAY)
    assert np.array_equal(decode(encode_image(ARRAY)), ARRAY)


def test_view_of_an_array_is_an_image_too() -> None:
    bgr = ARRAY[..., ::-1]
    opened = load_image(bgr, 24)
    assert isinstance(opened, LazyImage)
    assert np.array_equal(unpack_rgb(opened.decode_full()), bgr)
    assert np.array_equal(decode(encode_image(bgr)), bgr)


@pytest.mark.parametrize(
    "array",
    [ARRAY[..., 0], ARRAY[..., :2], ARRAY[:0], ARRAY[None], ARRAY / np.float32(255)],
    ids=["grey", "two channels", "empty", "a batch", "float"],
)
def test_array_that_is_no_image_is_described(array: RgbImage) -> None:
    shape = " x ".join(map(str, array.shape))
    for refuse in (encode_image, lambda each: load_image(each, 10**6)):
        with pytest.raises(
            UnsupportedImageError, match=f"shape {shape} and the type {array.dtype}"
        ):
            refuse(array)


def test_array_beyond_the_limit_of_pixels_is_refused() -> None:
    with pytest.raises(ImagePixelsError, match="6 x 4 pixels; the limit is 23"):
        load_image(ARRAY, 23)
