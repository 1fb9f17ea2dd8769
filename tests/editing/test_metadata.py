"""Colour profiles and chunks of each format."""

import io

import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from phiz.editing.metadata import find_colour_chunks, find_jpeg_profile, fits_mode, read_profile
from tests.image.corpus.heif_file import encode_heic

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(mode: str, kind: str, profile: bytes | None = SRGB) -> bytes:
    file = io.BytesIO()
    Pillow.new(mode, (8, 8)).save(file, kind, icc_profile=profile)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF", "AVIF"])
def test_the_profile_of_each_format_is_read(kind: str) -> None:
    assert read_profile(kind, save("RGB", kind)) == SRGB  # type: ignore[arg-type]
    assert read_profile(kind, save("RGB", kind, None)) is None  # type: ignore[arg-type]


def test_the_profile_of_a_heic_is_read() -> None:
    image = Pillow.new("RGB", (8, 8))
    assert read_profile("HEIC", encode_heic(image, icc_profile=SRGB)) == SRGB
    assert read_profile("HEIC", encode_heic(image)) is None
    assert read_profile("HEIC", b"no image") is None


def test_a_long_profile_is_joined_and_an_incomplete_one_is_none() -> None:
    long = SRGB[:128] + bytes(150_000)
    jpeg = save("RGB", "JPEG", long)
    assert jpeg.count(b"ICC_PROFILE\0") == 3
    assert find_jpeg_profile(jpeg) == long
    second = jpeg.index(b"ICC_PROFILE\0\x02")
    broken = jpeg[:second] + b"ICC_PROFILX" + jpeg[second + 11 :]
    assert find_jpeg_profile(broken) is None


@pytest.mark.parametrize(
    ("space", "mode", "expected"),
    [
        (b"RGB ", "RGB", True),
        (b"RGB ", "RGBA", True),
        (b"RGB ", "L", False),
        (b"GRAY", "L", True),
        (b"GRAY", "I;16", True),
        (b"GRAY", "RGB", False),
        (b"CMYK", "CMYK", True),
        (b"CMYK", "RGB", False),
    ],
)
def test_a_profile_fits_its_own_channels(space: bytes, mode: str, *, expected: bool) -> None:
    assert fits_mode(SRGB[:16] + space + SRGB[20:], mode) == expected


@pytest.mark.parametrize("profile", [None, b"", b"short"])
def test_what_is_no_profile_fits_nothing(profile: bytes | None) -> None:
    assert not fits_mode(profile, "RGB")


def test_colour_chunks_are_found_and_others_are_not() -> None:
    png = save("RGB", "PNG", None)
    gamma = b"\0\0\0\x04gAMA" + (45_455).to_bytes(4) + bytes(4)
    text = b"\0\0\0\x05tEXta\0b" + bytes(6)
    changed = png[:33] + gamma + text + png[33:]
    assert list(find_colour_chunks(changed)) == [(b"gAMA", (45_455).to_bytes(4))]
