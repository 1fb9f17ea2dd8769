import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from phiz.errors import ImageError, ImagePixelsError, UndecodableImageError
from phiz.image.decode import decode_image
from phiz.image.limits import DecodingLimits

from .corpus.coded_cases import draw_image
from .corpus.heif_file import (
    CodedPicture,
    GridShape,
    encode_heic,
    shape_grid,
    take_picture,
    write_box,
    write_heif,
)

IntImage: TypeAlias = NDArray[np.int_]
LIMITS = DecodingLimits(10**7, 50_000_000)
CASES = Path(__file__).parent / "cases"
TILE = take_picture(encode_heic(Image.new("RGB", (64, 64))))
HUGE = (50_000, 40_000)


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(write_heif([CodedPicture(HUGE, TILE.configuration, TILE.data)]), id="picture"),
        pytest.param(write_heif([TILE], shape_grid(1, 1, HUGE)), id="grid"),
        pytest.param(write_heif([TILE], GridShape(1, 1, HUGE, (64, 64))), id="grid-of-item"),
        pytest.param(
            write_heif(
                [CodedPicture(HUGE, TILE.configuration, TILE.data)], shape_grid(1, 1, (64, 64))
            ),
            id="tile",
        ),
        pytest.param(
            write_heif([TILE, CodedPicture(HUGE, TILE.configuration, TILE.data)]), id="not-shown"
        ),
    ],
)
def test_two_gigapixels_in_a_header_are_refused_by_their_number(file: bytes) -> None:
    assert len(file) < 1000
    with pytest.raises(ImagePixelsError, match="50000 x 40000, 2000000000 pixels; the limit is"):
        decode_image(file, LIMITS)


def test_header_that_is_refused_loads_no_decoder() -> None:
    program = (
        "import sys; from tests.image import test_heic as heic\n"
        "for name in [name for name in sys.modules if 'pillow_heif' in name]:\n"
        "    del sys.modules[name]\n"
        "file = heic.write_heif([heic.TILE], heic.shape_grid(1, 1, heic.HUGE))\n"
        "try: heic.decode_image(file, heic.LIMITS)\n"
        "except heic.ImagePixelsError: print('pillow_heif' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "False\n"


def test_grid_that_contradicts_itself_is_damage() -> None:
    file = write_heif([TILE] * 2, shape_grid(2, 1, (64, 64)))
    with pytest.raises(UndecodableImageError, match="damaged"):
        decode_image(file, LIMITS)


def test_grid_has_the_pixels_of_its_tiles() -> None:
    samples = np.mgrid[:100, :190].sum(axis=0).astype(np.uint8) // 2  # (100, 190)
    picture = Image.fromarray(np.stack([samples, 200 - samples, samples], axis=-1))
    corners = [(x, y) for y in (0, 64) for x in (0, 64, 128)]
    tiles = [picture.crop((x, y, x + 64, y + 64)) for x, y in corners]
    coded = [take_picture(encode_heic(tile, chroma=444)) for tile in tiles]
    image = decode_image(write_heif(coded, shape_grid(3, 2, picture.size)), LIMITS)
    assert np.abs(image.astype(int) - np.asarray(picture)).max() <= 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_image_is_upright_once_however_it_is_stored(orientation: int) -> None:
    picture = draw_image("RGB")
    exif = Image.Exif()
    exif[0x112] = orientation
    # The file says it twice: by its properties, and by Exif.
    file = encode_heic(picture, chroma=444, exif=exif.tobytes())
    expected = TURNS[orientation](np.asarray(picture).astype(int))
    image = decode_image(file, LIMITS).astype(int)
    assert image.shape == expected.shape
    assert np.abs(image - expected).max() <= 4


# Operations on the stored pixels by orientation (Exif 2.32, 4.6.4).
TURNS: Final[Mapping[int, Callable[[IntImage], IntImage]]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}


def test_thumbnails_and_other_pictures_are_not_read() -> None:
    others = [take_picture(encode_heic(Image.new("RGB", (32, 32), "red"))) for _ in range(2)]
    white = take_picture(encode_heic(Image.new("RGB", (64, 48), "white")))
    thumbnail = write_box(b"thmb", b"\0\2\0\1\0\1")
    file = write_heif([white, *others], more_boxes=thumbnail)
    image = decode_image(file, LIMITS)
    assert image.shape == (64, 64, 3)
    assert image[:48].min() >= 253


def test_file_that_is_cut_anywhere_is_an_error_of_the_image() -> None:
    file = (CASES / "photo.heic").read_bytes()
    for cut in range(12, len(file) - 100, 97):
        with pytest.raises(ImageError):
            decode_image(file[:cut], LIMITS)


@pytest.mark.parametrize("name", ["photo.heic", "heic_major_mif1.heic"])
def test_reported_heic_is_read(name: str) -> None:
    image = decode_image((CASES / name).read_bytes(), LIMITS)
    assert image.shape == (130, 108, 3)
    expected = decode_image((CASES / "with_eoi.jpg").read_bytes(), LIMITS)
    assert np.abs(image.astype(int) - expected).mean() < 5


def test_without_the_extra_the_error_names_it() -> None:
    program = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from phiz.image.decode import decode_image\n"
        "from phiz.image.limits import DecodingLimits\n"
        "try: decode_image(open(sys.argv[1], 'rb').read(), DecodingLimits(10**6, 10**6))\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    command = [sys.executable, "-c", program, str(CASES / "photo.heic")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("UnsupportedImageError the 3794 bytes are an HEIC image;")
    assert "pip install 'phiz[heif]'" in ran.stdout
    assert "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF\n" in ran.stdout
