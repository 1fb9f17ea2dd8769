"""JPEGs that are copied: the same pixels, and nothing that may show them again."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, ImageCms
from PIL import Image as Pillow

from phiz.editing.jpeg_copy import copy_jpeg
from phiz.editing.options import BlurOptions
from phiz.editing.redact import cover_faces
from phiz.errors import ImagePixelsError
from phiz.image.limits import DecodingLimits
from phiz.image.synthetic import draw_crowd

LIMITS = DecodingLimits(1 << 20, 20_000)
SIZE_WH = (160, 120)
SECRET = b"the face is here"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(mode: str = "RGB", **arguments: Any) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(draw_crowd(*SIZE_WH, 3)).convert(mode).save(file, "JPEG", **arguments)
    return file.getvalue()


def build_segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2) + content


def load(image_bytes: bytes) -> Pillow.Image:
    image = Pillow.open(io.BytesIO(image_bytes))
    image.load()
    return image


PLAIN = [
    pytest.param("L", {}, id="grey"),
    pytest.param("RGB", {"quality": 75}, id="420"),
    pytest.param("RGB", {"quality": 95, "subsampling": 0}, id="444"),
    pytest.param("RGB", {"progressive": True}, id="progressive"),
    pytest.param("RGB", {"keep_rgb": True}, id="stored-rgb"),
    pytest.param("RGB", {"restart_marker_rows": 1}, id="restarts"),
    pytest.param("RGB", {"icc_profile": SRGB, "dpi": (300, 300)}, id="profile"),
    pytest.param("CMYK", {}, id="cmyk"),
]


@pytest.mark.parametrize(("mode", "arguments"), PLAIN)
def test_a_file_without_other_images_is_copied_byte_for_byte(
    mode: str, arguments: dict[str, Any]
) -> None:
    source = save(mode, **arguments)
    assert copy_jpeg(source) == source
    assert cover_faces(source, [], BlurOptions(), LIMITS).content == source


@pytest.mark.parametrize(("mode", "arguments"), PLAIN)
def test_other_images_and_text_are_left_out_and_the_pixels_are_equal(
    mode: str, arguments: dict[str, Any]
) -> None:
    exif = Pillow.Exif()
    exif[ExifTags.Base.Make] = "Camera"
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.ImageResources] = SECRET
    source = save(mode, exif=exif, comment=SECRET, xmp=SECRET, **arguments)
    second = build_segment(0xE1, b"Exif\0\0" + SECRET)
    others = [build_segment(marker, SECRET) for marker in (0xE0, 0xE1, 0xED, 0xEF, 0xFE)]
    tables = source.index(b"\xff\xdb\0\x43")
    spoiled = b"".join(
        [source[:2], *others, source[2:tables], second, SECRET, source[tables:], SECRET]
    )
    copied = copy_jpeg(spoiled)
    assert copied is not None
    assert SECRET not in copied
    before, after = load(source), load(copied)
    np.testing.assert_array_equal(np.asarray(after), np.asarray(before))
    assert after.mode == mode
    assert dict(after.getexif()) == {ExifTags.Base.Make: "Camera", ExifTags.Base.Orientation: 6}
    assert after.info.get("icc_profile") == before.info.get("icc_profile")
    assert after.info.get("dpi") == before.info.get("dpi")
    assert copy_jpeg(copied) == copied


def test_the_thumbnail_of_jfif_is_left_out() -> None:
    source = save()
    assert source[2:4] == b"\xff\xe0"
    header = source[6:18] + bytes((2, 3)) + SECRET + bytes(2)
    with_thumbnail = source[:2] + build_segment(0xE0, header) + source[20:]
    assert copy_jpeg(with_thumbnail) == source


def test_a_profile_of_other_channels_is_left_out() -> None:
    assert copy_jpeg(save("L", icc_profile=SRGB)) == save("L")


def test_a_file_with_unusual_parts_is_not_copied() -> None:
    source = save(progressive=True)
    second = source.rindex(b"\xff\xda")
    comment = build_segment(0xFE, SECRET)
    assert copy_jpeg(source[:second] + comment + source[second:]) is None
    assert copy_jpeg(source[:-2]) is None
    assert copy_jpeg(source[:-300]) is None
    assert copy_jpeg(source[: source.index(b"\xff\xda")]) is None
    for marker in (0xC3, 0xC9, 0xDE, 0xF7):  # lossless, arithmetic, hierarchical, JPEG-LS
        assert copy_jpeg(source[:2] + build_segment(marker, bytes(15)) + source[2:]) is None
    covered = cover_faces(source[:-2], [], BlurOptions(), LIMITS).content
    assert covered.endswith(b"\xff\xd9")


def test_another_format_and_the_limit_of_pixels_stay() -> None:
    source = save()
    assert cover_faces(source, [], BlurOptions(), LIMITS, "png").media_type == "image/png"
    assert cover_faces(source, [], BlurOptions(), LIMITS, "jpeg").content == source
    with pytest.raises(ImagePixelsError, match="19200 pixels; the limit is 19199"):
        cover_faces(source, [], BlurOptions(), DecodingLimits(1 << 20, 19_199))
