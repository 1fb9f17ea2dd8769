import io

import numpy as np
import pytest
from PIL import Image

from phiz.jpeg import decode_jpeg, jpeg_size
from phiz.picture import rgb

FACTORS = (1, 2, 4, 8)


def scene(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], axis=-1)
    return Image.fromarray((127 + 120 * waves).astype(np.uint8))


def encode(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}, {"quality": 20}],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_full_scale_is_what_pillow_gives(mode: str, options: dict[str, object]) -> None:
    data = encode(scene(213, 121).convert(mode), **options)
    assert jpeg_size(data) == (213, 121)
    pixels = decode_jpeg(data, (213, 121), 1)
    assert pixels is not None
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert (rgb(pixels) == expected).all()


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 400), (641, 481), (37, 53)], ids=str)
def test_a_smaller_scale_is_rounded_up(size: tuple[int, int], factor: int) -> None:
    pixels = decode_jpeg(encode(scene(*size)), size, factor)
    assert pixels is not None
    assert pixels.shape == (-(-size[1] // factor), -(-size[0] // factor))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_smaller_scale_averages(factor: int) -> None:
    picture = scene(640, 480)
    pixels = decode_jpeg(encode(picture, quality=95, subsampling=0), (640, 480), factor)
    assert pixels is not None
    averages = np.asarray(picture.resize((640 // factor, 480 // factor), Image.Resampling.BOX))
    assert np.abs(rgb(pixels).astype(int) - averages).mean() < 2


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xd8\xff", id="a signature alone"),
        pytest.param(encode(scene(64, 48))[:300], id="no frame yet"),
        pytest.param(encode(Image.new("CMYK", (9, 9))), id="four channels"),
    ],
)
def test_headers_that_are_left_to_others(data: bytes) -> None:
    assert jpeg_size(data) is None


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_picture_cut_short_is_none(share: float, factor: int) -> None:
    data = encode(scene(320, 240))
    assert decode_jpeg(data[: int(len(data) * share)], (320, 240), factor) is None
