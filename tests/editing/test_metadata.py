"""Metadata: what is kept, and that no picture is."""

import io
from typing import Literal

import pytest
from PIL import ExifTags, ImageCms
from PIL import Image as Pillow

from phiz.editing.metadata import (
    clean_exif,
    find_colour_chunks,
    find_jpeg_profile,
    fits_mode,
    read_profile,
)
from tests.image.corpus.heif_file import encode_heic

BASE, IFD = ExifTags.Base, ExifTags.IFD
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PREVIEW = b"\xff\xd8\xff" + bytes(range(256)) * 9


def build_exif() -> Pillow.Exif:
    exif = Pillow.Exif()
    exif[BASE.Make] = "Camera"
    exif[BASE.Orientation] = 3
    exif[BASE.ImageDescription] = "words " * 300
    exif[BASE.XMLPacket] = b"<x:xmpmeta/>"
    exif[BASE.ImageResources] = PREVIEW
    exif[BASE.PrintImageMatching] = PREVIEW
    exif.get_ifd(IFD.Exif).update(
        {
            BASE.ExposureTime: 0.25,
            BASE.DateTimeOriginal: "2024:01:02 03:04:05",
            BASE.MakerNote: PREVIEW,
            BASE.UserComment: PREVIEW,
        }
    )
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (51.0, 30.0, 0.5)})
    return exif


def read(exif_bytes: bytes) -> Pillow.Exif:
    exif = Pillow.Exif()
    exif.load(exif_bytes)
    return exif


def test_exif_is_kept_without_previews() -> None:
    cleaned = clean_exif(build_exif().tobytes(), 3)
    assert PREVIEW not in cleaned
    assert b"xmpmeta" not in cleaned
    exif = read(cleaned)
    assert exif[BASE.Make] == "Camera"
    assert exif[BASE.Orientation] == 3
    assert exif[BASE.ImageDescription].startswith("words words")
    details = exif.get_ifd(IFD.Exif)
    assert set(details) == {BASE.ExposureTime, BASE.DateTimeOriginal}
    assert exif.get_ifd(IFD.GPSInfo) == {1: "N", 2: (51.0, 30.0, 0.5)}


def test_the_thumbnail_of_a_camera_is_not_kept() -> None:
    exif = bytearray(build_exif().tobytes())
    # The next directory, of the thumbnail, which Pillow does not write.
    start = len(b"Exif\0\0")
    order: Literal["little", "big"] = "little" if exif[start : start + 2] == b"II" else "big"
    first = start + 8
    count = int.from_bytes(exif[first : first + 2], order)
    link = first + 2 + 12 * count
    exif[link : link + 4] = (len(exif) - start).to_bytes(4, order)
    entries = [(0x0103, 3, 6), (0x0201, 4, len(exif) - start + 42), (0x0202, 4, len(PREVIEW))]
    directory = len(entries).to_bytes(2, order) + b"".join(
        tag.to_bytes(2, order)
        + kind.to_bytes(2, order)
        + (1).to_bytes(4, order)
        + (value.to_bytes(4, order) if kind == 4 else value.to_bytes(2, order) + bytes(2))
        for tag, kind, value in entries
    )
    whole = bytes(exif) + directory + bytes(4) + PREVIEW
    assert read(whole).get_ifd(IFD.IFD1)[0x0202] == len(PREVIEW)
    cleaned = clean_exif(whole, 1)
    assert PREVIEW[:20] not in cleaned
    assert read(cleaned).get_ifd(IFD.IFD1) == {}
    assert read(cleaned)[BASE.Make] == "Camera"


@pytest.mark.parametrize("damaged", [b"", b"nothing", b"Exif\0\0II*\0\xff\xff\xff\xff", bytes(99)])
@pytest.mark.parametrize("orientation", [1, 6])
def test_damaged_exif_leaves_the_orientation(damaged: bytes, orientation: int) -> None:
    cleaned = clean_exif(damaged, orientation)
    if orientation == 1:
        assert cleaned == b""
    else:
        assert dict(read(cleaned)) == {BASE.Orientation: 6}


def test_exif_that_would_be_too_long_is_not_kept() -> None:
    exif = Pillow.Exif()
    exif[BASE.ImageDescription] = "x" * 70_000
    assert dict(read(clean_exif(exif.tobytes(), 8))) == {BASE.Orientation: 8}


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
