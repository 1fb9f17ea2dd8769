"""Faces that are covered: which pixels change, and what is left of them."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pillow

from phiz.editing.options import BlurOptions
from phiz.editing.redact import cover_boxes, cover_faces, cover_pixels, find_region
from phiz.errors import UndecodableImageError
from phiz.faces import Face
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd
from phiz.options import BlurKind

LIMITS = DecodingLimits(1 << 22, 1 << 20)
SIZE_WH = (160, 120)
FACE = Face((40.2, 30.7, 80.1, 85.5), 0.9, {}, "front")  # 54.8 high, so 0.2 of it are 10.96
REGION = (29, 19, 92, 97)
KINDS: tuple[BlurKind, ...] = ("mosaic", "blur", "solid")


def crowd(mode: str) -> Pillow.Image:
    image = Pillow.fromarray(draw_crowd(*SIZE_WH, 3))
    if mode == "I;16":
        values = np.asarray(image.convert("L")).astype(np.uint16) * 257
        return Pillow.fromarray(values + np.arange(SIZE_WH[0], dtype=np.uint16))
    if mode in {"RGBA", "LA"}:
        image.putalpha(Pillow.linear_gradient("L").resize(SIZE_WH))
    return image.convert(mode)


def save(image: Pillow.Image, kind: str, **arguments: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **arguments)
    return file.getvalue()


def load(image_bytes: bytes) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(image_bytes))
    image.load()
    return image


def outside(pixels: NDArray[Any]) -> NDArray[Any]:
    kept = np.ones(pixels.shape[:2], np.bool_)
    x1, y1, x2, y2 = REGION
    kept[y1:y2, x1:x2] = False
    values: NDArray[Any] = pixels[kept]
    return values


def inside(pixels: NDArray[Any]) -> NDArray[Any]:
    x1, y1, x2, y2 = REGION
    values: NDArray[Any] = pixels[y1:y2, x1:x2]
    return values


@pytest.mark.parametrize("cover", KINDS)
@pytest.mark.parametrize(
    ("mode", "kind", "arguments", "result"),
    [
        pytest.param("1", "PNG", {}, "L", id="png-1-bit"),
        pytest.param("L", "PNG", {"bits": 4}, "L", id="png-4-bits"),
        pytest.param("L", "PNG", {}, "L", id="png-grey"),
        pytest.param("I;16", "PNG", {}, "I;16", id="png-16-bits"),
        pytest.param("LA", "PNG", {}, "LA", id="png-grey-alpha"),
        pytest.param("P", "PNG", {}, "RGB", id="png-palette"),
        pytest.param("P", "PNG", {"transparency": 3}, "RGBA", id="png-transparent-palette"),
        pytest.param("L", "PNG", {"transparency": 90}, "RGBA", id="png-transparent-grey"),
        pytest.param("RGB", "PNG", {}, "RGB", id="png-rgb"),
        pytest.param("RGBA", "PNG", {}, "RGBA", id="png-rgba"),
        pytest.param("RGB", "WEBP", {"lossless": True}, "RGB", id="webp"),
        pytest.param("RGBA", "WEBP", {"lossless": True, "exact": True}, "RGBA", id="webp-alpha"),
        pytest.param("P", "GIF", {}, "RGB", id="gif"),
        pytest.param("RGB", "BMP", {}, "RGB", id="bmp"),
        pytest.param("RGB", "TIFF", {}, "RGB", id="tiff"),
    ],
)
def test_pixels_outside_are_equal_without_loss(
    mode: str, kind: str, arguments: Mapping[str, Any], result: str, cover: BlurKind
) -> None:
    source = save(crowd(mode), kind, **arguments)
    covered = cover_faces(source, [FACE], BlurOptions(cover), LIMITS)
    assert covered.media_type == ("image/webp" if kind == "WEBP" else "image/png")
    after = load(covered.content)
    assert after.mode == result
    before = load(source) if result == "I;16" else load(source).convert("RGBA")
    if result != "I;16":
        after = after.convert("RGBA")
    old, new = np.asarray(before), np.asarray(after)
    np.testing.assert_array_equal(outside(new), outside(old))
    assert (inside(new) != inside(old)).mean() > 0.1  # some of it is a plain background


@pytest.mark.parametrize("cover", KINDS)
@pytest.mark.parametrize(
    ("mode", "kind", "arguments"),
    [
        ("RGB", "PNG", {}),
        ("L", "PNG", {}),
        ("RGB", "WEBP", {"lossless": True, "exact": True}),
    ],
    ids=["png", "png-grey", "webp"],
)
def test_colours_under_transparent_pixels_are_covered_too(
    mode: str, kind: str, arguments: Mapping[str, Any], cover: BlurKind
) -> None:
    opaque = crowd(mode)
    hidden = opaque.copy()
    hidden.putalpha(0)
    covered = [
        load(
            cover_faces(save(image, kind, **arguments), [FACE], BlurOptions(cover), LIMITS).content
        )
        for image in (opaque, hidden)
    ]
    assert covered[1].mode == {"RGB": "RGBA", "L": "LA"}[mode]
    expected, colours = (np.atleast_3d(np.asarray(image)) for image in covered)
    np.testing.assert_array_equal(inside(colours[..., :-1]), inside(expected))
    assert (inside(colours[..., :-1]) != inside(np.atleast_3d(np.asarray(opaque)))).mean() > 0.1


@pytest.mark.parametrize("cover", KINDS)
@pytest.mark.parametrize(
    ("mode", "arguments"),
    [
        pytest.param("L", {}, id="grey"),
        pytest.param("RGB", {"quality": 75}, id="420"),
        pytest.param("RGB", {"quality": 95, "subsampling": 0}, id="444"),
        pytest.param("RGB", {"progressive": True}, id="progressive"),
        pytest.param("RGB", {"keep_rgb": True, "quality": 90}, id="stored-rgb"),
        pytest.param("CMYK", {}, id="cmyk"),
    ],
)
def test_a_jpeg_keeps_its_tables_its_subsampling_and_nearly_its_pixels(
    mode: str, arguments: Mapping[str, Any], cover: BlurKind
) -> None:
    source = save(crowd(mode), "JPEG", **arguments)
    covered = cover_faces(source, [FACE], BlurOptions(cover), LIMITS)
    assert covered.media_type == "image/jpeg"
    before, after = load(source), load(covered.content)
    assert after.mode == mode
    assert after.quantization == before.quantization  # type: ignore[attr-defined]
    assert after.layer == before.layer  # type: ignore[attr-defined]
    assert ("progressive" in after.info) == ("progressive" in arguments)
    old, new = np.asarray(before).astype(int), np.asarray(after).astype(int)
    # The blocks at the edge of the region alone differ by more than rounding.
    assert np.median(np.abs(outside(new) - outside(old))) == 0
    assert np.abs(outside(new) - outside(old)).mean() < 1


def test_a_mosaic_has_three_blocks_across_a_face() -> None:
    covered = cover_faces(save(crowd("RGB"), "PNG"), [FACE], BlurOptions(), LIMITS)
    region = inside(np.asarray(load(covered.content)))
    block = 20  # 0.36 of 54.8, rounded up
    source = inside(np.asarray(crowd("RGB")))
    for top in range(0, region.shape[0], block):
        for left in range(0, region.shape[1], block):
            cell = region[top : top + block, left : left + block]
            mean = source[top : top + block, left : left + block].mean(axis=(0, 1))
            assert np.abs(cell - mean).max() <= 0.5


def test_a_blur_leaves_no_detail() -> None:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (300, 200, 3), np.uint8)
    blurred = cover_pixels(noise, 250, BlurOptions("blur"), (0, 0, 0)).astype(float)
    assert blurred.std() < 2 < noise.std()
    assert blurred.mean() == pytest.approx(noise.mean(), abs=2)


def test_a_blur_is_the_gaussian_of_a_step() -> None:
    step = np.zeros((64, 200), np.uint8)
    step[:, 100:] = 200
    # The standard deviation is 0.9 of the side: 20 pixels.
    blurred = cover_pixels(step, 20 / 0.9, BlurOptions("blur"), (0,)).astype(float)
    assert blurred[32, 99:101] == pytest.approx([100, 100], abs=6)
    # A standard deviation from the step, 84 % are left.
    assert blurred[32, 120] == pytest.approx(168, abs=6)
    assert blurred[32, 80] == pytest.approx(32, abs=6)
    assert blurred[:, 0].max() <= 2


@pytest.mark.parametrize("cover", KINDS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9, 3), (9, 1, 4), (5, 7, 2)])
def test_any_region_can_be_covered(shape: tuple[int, ...], cover: BlurKind) -> None:
    pixels = np.full(shape, 90, np.uint8)
    covered = cover_pixels(pixels, 3, BlurOptions(cover), (0,) * (*shape, 1)[2])
    assert covered.shape == shape
    assert covered.dtype == np.uint8
    assert set(np.unique(covered)) == {0 if cover == "solid" else 90}


@pytest.mark.parametrize("cover", KINDS)
def test_pixels_of_a_frame_are_covered_as_those_of_a_file(cover: BlurKind) -> None:
    image = crowd("RGB")
    boxes = (FACE.box, (150, 100, 175, 130), (300, 300, 310, 310))  # the last two leave the image
    faces = [Face(box, 0.9, {}, "front") for box in boxes]
    options = BlurOptions(cover)
    frame = cover_boxes(np.asarray(image), np.array(boxes, np.float32), options)
    file = cover_faces(save(image, "PNG"), faces, options, LIMITS)
    np.testing.assert_array_equal(frame, np.asarray(load(file.content)))


@pytest.mark.parametrize(
    ("orientation", "region"),
    [
        (1, (5, 15, 35, 40)),
        (2, (65, 15, 95, 40)),
        (3, (65, 20, 95, 45)),
        (4, (5, 20, 35, 45)),
    ],
)
def test_a_region_is_in_the_image_as_it_is_stored(
    orientation: int, region: tuple[int, int, int, int]
) -> None:
    assert find_region((10, 20, 30, 35), 0.25, (100, 60), orientation) == (region, 20)


def test_a_region_of_a_turned_image_is_turned_too() -> None:
    # Orientation 6: the upright image is the stored one turned right, 60 wide and 100 high.
    assert find_region((10, 20, 30, 35), 0.25, (100, 60), 6) == ((15, 25, 40, 55), 20)


def test_a_region_ends_with_the_image() -> None:
    assert find_region((-3, 0, 200, 50), 1, (100, 60), 1)[0] == (0, 0, 100, 60)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "arguments"), [("JPEG", {"quality": 95}), ("PNG", {})])
def test_the_upright_face_is_covered_in_every_orientation_and_the_tag_is_kept(
    kind: str, arguments: Mapping[str, Any], orientation: int
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    source = save(crowd("RGB"), kind, exif=exif, **arguments)
    covered = cover_faces(source, [FACE], BlurOptions("solid", 0), LIMITS)
    image = load(covered.content)
    assert image.getexif().get(0x0112, 1) == orientation
    assert image.size == SIZE_WH
    upright = np.asarray(Pillow.open(io.BytesIO(covered.content)).convert("RGB"))
    turned = np.asarray(_turn(Pillow.fromarray(upright), orientation)).astype(int)
    assert turned[33:83, 43:77].max() < 20
    original = np.asarray(_turn(crowd("RGB"), orientation)).astype(int)
    assert np.abs(turned[:28] - original[:28]).mean() < 4


def _turn(image: Pillow.Image, orientation: int) -> Pillow.Image:
    """The image upright, by Pillow's own method."""
    turns = Pillow.Transpose
    methods = {
        2: turns.FLIP_LEFT_RIGHT,
        3: turns.ROTATE_180,
        4: turns.FLIP_TOP_BOTTOM,
        5: turns.TRANSPOSE,
        6: turns.ROTATE_270,
        7: turns.TRANSVERSE,
        8: turns.ROTATE_90,
    }
    return image.transpose(methods[orientation]) if orientation in methods else image


def test_another_format_is_upright_rgb() -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    source = save(crowd("RGB"), "PNG", exif=exif)
    covered = cover_faces(source, [], BlurOptions(), LIMITS, "webp")
    image = load(covered.content)
    assert (covered.media_type, image.size) == ("image/webp", SIZE_WH[::-1])
    assert image.getexif().get(0x0112) is None


def test_a_truncated_image_is_refused() -> None:
    with pytest.raises(UndecodableImageError):
        cover_faces(save(crowd("RGB"), "PNG")[:-3000], [FACE], BlurOptions(), LIMITS)
