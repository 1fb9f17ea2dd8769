"""The pictures of the detectors, drawn again by the detectors."""

import io
from pathlib import Path

import numpy as np
import pictures
import pytest
from drawing.canvas import Picture
from numpy.typing import NDArray
from PIL import Image

from .pages import IS_UNPACKED_SDIST, PAGES, ROOT

PICTURE_BYTES = 45_000
BLOCK_PX = 4  # a thin line that moves changes a block, and hardly the mean of a picture
TOLERANCE = 12.0  # of 255: what another version of a codec may change

pytestmark = pytest.mark.integration
NAMES = ("anchors.webp", "blending.webp", "cascade.webp")
REMEDY = "run: python docs/pictures.py"


@pytest.fixture(scope="module")
def drawn(models_folder: Path) -> dict[str, Picture]:
    return pictures.draw_pictures(models_folder)


def average_blocks(image: Image.Image) -> NDArray[np.float32]:
    return np.asarray(image.convert("RGB").reduce(BLOCK_PX), np.float32)


def test_captions_have_the_figures_of_today(drawn: dict[str, Picture]) -> None:
    text = PAGES["docs/detectors.md"].text
    assert all(f"]({name})\n\n" in text for name in NAMES)
    assert tuple(drawn) == NAMES
    assert text == pictures.replace_captions(text, drawn), REMEDY


@pytest.mark.skipif(IS_UNPACKED_SDIST, reason="an unpacked sdist lacks the pictures")
@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_what_the_detectors_draw(drawn: dict[str, Picture], name: str) -> None:
    path = ROOT / "docs" / name
    assert path.stat().st_size <= PICTURE_BYTES
    shown = average_blocks(Image.open(path))
    again = average_blocks(Image.open(io.BytesIO(pictures.encode_picture(drawn[name].image))))
    assert np.abs(shown - again).max() <= TOLERANCE, REMEDY
