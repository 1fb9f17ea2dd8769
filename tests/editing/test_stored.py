"""Images as they are stored: metadata, frames, limits and what cannot be kept."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, ImageCms
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from phiz.editing.stored import open_stored
from phiz.errors import ImagePixelsError, UnsupportedImageError
from phiz.image.limits import DecodingLimits

LIMITS = DecodingLimits(1 << 20, 10_000)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
SECRET = b"the face is here"


def save(image: Pillow.Image, kind: str, **arguments: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **arguments)
    return file.getvalue()


def rewrite(image_bytes: bytes) -> Pillow.Image:
    content = open_stored(image_bytes, LIMITS).encode(LIMITS).content
    image = Pillow.open(io.BytesIO(content))
    image.load()
    return image


def build_exif() -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = 8
    return exif


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("JPEG", {}), ("PNG", {}), ("WEBP", {}), ("WEBP", {"lossless": True})],
    ids=["jpeg", "png", "webp", "webp-lossless"],
)
def test_exif_orientation_and_profile_are_kept(kind: str, arguments: dict[str, Any]) -> None:
    source = save(
        Pillow.new("RGB", (30, 20), "teal"), kind, exif=build_exif(), icc_profile=SRGB, **arguments
    )
    image = rewrite(source)
    assert image.format == kind
    assert image.info["icc_profile"] == SRGB
    exif = image.getexif()
    assert exif[ExifTags.Base.Make] == "Camera"
    assert exif[ExifTags.Base.Orientation] == 8
    assert image.size == (30, 20)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_nothing_else_that_may_hold_the_image_is_kept(kind: str) -> None:
    text = PngInfo()
    text.add_text("Comment", SECRET.decode())
    text.add(b"prVt", SECRET)
    by_kind: dict[str, dict[str, Any]] = {
        "JPEG": {"comment": SECRET, "xmp": SECRET},
        "PNG": {"pnginfo": text},
        "WEBP": {"xmp": SECRET},
    }
    arguments = by_kind[kind]
    source = save(Pillow.new("RGB", (30, 20)), kind, **arguments) + SECRET
    assert source.count(SECRET) > 1
    assert SECRET not in open_stored(source, LIMITS).encode(LIMITS).content


def test_the_profile_of_another_colour_space_is_not_kept() -> None:
    grey_profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    assert rewrite(save(Pillow.new("L", (9, 9)), "PNG", icc_profile=grey_profile)).info[
        "icc_profile"
    ]
    palette = save(Pillow.new("P", (9, 9)), "PNG", icc_profile=grey_profile)
    assert "icc_profile" not in rewrite(palette).info


def test_the_meaning_of_the_colours_of_a_png_is_kept() -> None:
    colours = PngInfo()
    colours.add(b"gAMA", (45_455).to_bytes(4))
    colours.add(b"sRGB", b"\1")
    image = rewrite(save(Pillow.new("RGB", (9, 9)), "PNG", pnginfo=colours, dpi=(300, 300)))
    assert image.info["gamma"] == pytest.approx(0.45455)
    assert image.info["srgb"] == 1
    assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)


def test_the_density_of_a_jpeg_is_kept() -> None:
    image = rewrite(save(Pillow.new("RGB", (9, 9)), "JPEG", dpi=(300, 300)))
    assert image.info["dpi"] == (300, 300)


def test_transparent_grey_of_16_bits_is_kept() -> None:
    values = np.arange(100, dtype=np.uint16).reshape(10, 10) * 600
    source = save(Pillow.fromarray(values), "PNG", transparency=1200)
    image = rewrite(source)
    assert image.info["transparency"] == 1200
    np.testing.assert_array_equal(np.asarray(image), values)


def test_a_webp_without_loss_stays_so_and_another_is_written_with_loss() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    lossless = rewrite(save(Pillow.fromarray(noise), "WEBP", lossless=True))
    np.testing.assert_array_equal(np.asarray(lossless), noise)
    lossy = save(Pillow.fromarray(noise), "WEBP", quality=50)
    assert b"VP8 " in open_stored(lossy, LIMITS).encode(LIMITS).content


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_several_frames_are_refused(kind: str) -> None:
    first, second = Pillow.new("RGB", (16, 16), "red"), Pillow.new("RGB", (16, 16), "blue")
    source = save(first, kind, save_all=True, append_images=[second])
    with pytest.raises(UnsupportedImageError, match="several frames or pages"):
        open_stored(source, LIMITS)


@pytest.mark.parametrize("colours", [2, 4, 6])
def test_a_png_with_colours_of_16_bits_is_refused_unless_it_may_be_reduced(colours: int) -> None:
    png = bytearray(save(Pillow.new("RGB", (9, 9)), "PNG"))
    png[24:26] = 16, colours  # Pillow writes none, and the pixels are not reached
    with pytest.raises(UnsupportedImageError, match="16 bits, and an edited PNG has at most 8"):
        open_stored(bytes(png), LIMITS)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
def test_more_pixels_than_the_limit_are_refused(kind: str) -> None:
    assert open_stored(save(Pillow.new("RGB", (100, 100)), kind), LIMITS).image.size == (100, 100)
    with pytest.raises(ImagePixelsError, match="10100 pixels; the limit is 10000 pixels; send"):
        open_stored(save(Pillow.new("RGB", (101, 100)), kind), LIMITS)


def test_a_webp_without_loss_has_a_lower_limit() -> None:
    limit = (100, 80)
    assert open_stored(save(Pillow.new("RGB", limit), "WEBP", lossless=True), LIMITS)
    with pytest.raises(ImagePixelsError, match="the limit is 8000 pixels for a WebP without loss"):
        open_stored(save(Pillow.new("RGB", (100, 81)), "WEBP", lossless=True), LIMITS)


def test_a_jpeg_without_its_end_is_complete() -> None:
    source = save(Pillow.new("RGB", (64, 64), "teal"), "JPEG")
    assert source.endswith(b"\xff\xd9")
    assert rewrite(source[:-2]).size == (64, 64)


def test_a_jpeg_with_damaged_exif_is_read() -> None:
    source = save(Pillow.new("RGB", (64, 64)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" * 3)
    assert rewrite(source).size == (64, 64)
