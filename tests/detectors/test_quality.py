import math
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from phiz.detectors.quality import (
    compute_frontalness,
    compute_roll,
    compute_sharpness,
    with_quality,
    with_roll,
)
from phiz.faces import Face
from phiz.image.lazy import ScaledImage
from phiz.image.pixels import pack_pixels
from tests.conftest import PICTURES

CENTRE = 100.0
# In the selfie of the test pictures.
BOX = (94.0, 198.0, 236.0, 341.0)


def landmarks(degrees: float, along: float = 0.5) -> dict[str, tuple[float, float]]:
    """Eyes 40 pixels apart whose line is turned clockwise; the nose that far along it."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))

    def turned(x: float, y: float) -> tuple[float, float]:
        return CENTRE + x * cos - y * sin, CENTRE + x * sin + y * cos

    return {
        "left_eye": turned(-20, 0),
        "right_eye": turned(20, 0),
        "nose": turned(-20 + 40 * along, 25),
    }


@pytest.mark.parametrize("degrees", [-179, -90, -30, 0, 10, 45, 90, 180])
def test_roll_is_the_angle_of_the_eyes(degrees: float) -> None:
    assert compute_roll(landmarks(degrees)) == pytest.approx(degrees)
    assert with_roll(Face(BOX, 0.9, landmarks(degrees), "front")).roll == pytest.approx(degrees)


@pytest.mark.parametrize("degrees", [0, 70, 180])
@pytest.mark.parametrize(
    ("along", "expected"),
    [(0.5, 1), (0.25, 0.5), (0.75, 0.5), (0, 0), (1, 0), (1.4, 0)],
    ids=["midway", "to the left", "to the right", "below the left eye", "the right", "beyond"],
)
def test_frontalness(degrees: float, along: float, expected: float) -> None:
    assert compute_frontalness(landmarks(degrees, along)) == pytest.approx(expected)


def test_eyes_in_one_place_are_not_frontal() -> None:
    assert compute_frontalness({"left_eye": (1, 1), "right_eye": (1, 1), "nose": (1, 1)}) == 0


def selfie(blur: float, factor: int = 1) -> ScaledImage:
    with Image.open(PICTURES / "selfie_360x640.png") as image:
        blurred = image.convert("RGB").filter(ImageFilter.GaussianBlur(blur))
    return ScaledImage(pack_pixels(np.asarray(blurred.reduce(factor))), factor)


def test_the_more_blurred_the_less_sharp() -> None:
    face = Face(BOX, 0.9, landmarks(0), "front")
    found = [compute_sharpness(face, selfie(blur)) for blur in (0, 1, 2, 4, 8)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[-1]


def test_sharpness_is_measured_where_the_face_is() -> None:
    # The upper left pixels of a picture that is black but for noise there.
    image = np.zeros((160, 160, 3), np.uint8)
    image[:80, :80] = np.random.default_rng(0).integers(0, 256, (80, 80, 1))
    for factor, origin_xy in ((1, (0, 0)), (2, (0, 0)), (2, (-1, -1))):
        seen = ScaledImage(pack_pixels(image[::factor, ::factor]), factor, origin_xy)
        inside, outside = (
            compute_sharpness(Face((low, low, low + 78, low + 78), 0.9, {}, "front"), seen)
            for low in (0, 82)
        )
        assert inside > 1
        assert outside == 0


@pytest.mark.parametrize(
    "box", [(0, 0, 1, 1), (159, 159, 160, 160), (40, 40, 40, 40), (160, 160, 160, 160)]
)
def test_a_box_of_next_to_nothing_has_a_sharpness(box: Any) -> None:
    seen = ScaledImage(pack_pixels(np.full((40, 40, 3), 90, np.uint8)), 4)
    assert compute_sharpness(Face(box, 0.9, {}, "front"), seen) == 0


def test_quality_is_told_with_the_roll() -> None:
    face = with_quality(Face(BOX, 0.9, landmarks(30, 0.25), "front"), selfie(0))
    assert face.roll == pytest.approx(30)
    assert face.quality is not None
    assert face.quality.eye_distance == pytest.approx(40)
    assert face.quality.frontalness == pytest.approx(0.5)
    assert face.quality.sharpness == compute_sharpness(face, selfie(0))
