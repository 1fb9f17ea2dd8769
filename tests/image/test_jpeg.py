import io

import numpy as np
import pytest
from PIL import Image

from phiz.image.jpeg import decode_jpeg, read_jpeg_size
from phiz.image.pixels import unpack_rgb

FACTORS = (1, 2, 4, 8)


def scene(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)], axis=-1)
    return Image.fromarray((127 + 120 * waves).astype(np.uint8))


def encode(image: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "options",
    [{}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 2}, {"quality": 20}],
    ids=str,
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_full_scale_is_what_pillow_gives(mode: str, options: dict[str, object]) -> None:
    image_bytes = encode(scene(213, 121).convert(mode), **options)
    assert read_jpeg_size(image_bytes) == (213, 121)
    pixels = decode_jpeg(image_bytes, (213, 121), 1)
    assert pixels is not None
    expected = np.asarray(Image.open(io.BytesIO(image_bytes)).convert("RGB"))
    assert (unpack_rgb(pixels) == expected).all()


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (17, 400), (641, 481), (37, 53)], ids=str)
def test_a_smaller_scale_is_rounded_up(size: tuple[int, int], factor: int) -> None:
    pixels = decode_jpeg(encode(scene(*size)), size, factor)
    assert pixels is not None
    assert pixels.shape == (-(-size[1] // factor), -(-size[0] // factor))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_smaller_scale_averages(factor: int) -> None:
    image = scene(640, 480)
    pixels = decode_jpeg(encode(image, quality=95, subsampling=0), (640, 480), factor)
    assert pixels is not None
    averages = np.asarray(image.resize((640 // factor, 480 // factor), Image.Resampling.BOX))
    assert np.abs(unpack_rgb(pixels).astype(int) - averages).mean() < 2


# Of the first of three components, each of which has its number, both factors, and its table.
SUBSAMPLED_4_4_1 = encode(scene(64, 48)).replace(b"\3\1\x22\0\2\x11", b"\3\1\x14\0\2\x11")


@pytest.mark.parametrize(
    "image_bytes",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\xff\xd8\xff", id="a signature alone"),
        pytest.param(encode(scene(64, 48))[:300], id="no frame yet"),
        pytest.param(SUBSAMPLED_4_4_1, id="a subsampling without a name"),
    ],
)
def test_headers_that_are_left_to_others(image_bytes: bytes) -> None:
    assert read_jpeg_size(image_bytes) is None
    assert decode_jpeg(image_bytes, (64, 48), 1) is None


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_picture_cut_short_is_none(share: float, factor: int) -> None:
    image_bytes = encode(scene(320, 240))
    assert decode_jpeg(image_bytes[: int(len(image_bytes) * share)], (320, 240), factor) is None
