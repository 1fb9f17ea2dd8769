import io

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from phiz.editing.crop import crop_faces
from phiz.editing.options import CropOptions
from phiz.editing.render import encode_crops, read_rgb_profile, render_annotated
from phiz.errors import ImageBytesError, ImagePixelsError
from phiz.faces import Face
from phiz.image.decode import open_image
from phiz.image.lazy import LazyImage, ScaledImage
from phiz.image.limits import DecodingLimits
from phiz.options import CropEncoding, PictureFormat

LIMITS = DecodingLimits(1 << 20, 1 << 20)
FACE = Face((20.0, 30.0, 90.0, 100.0), 0.9, {"nose": (55.0, 66.0)}, "front")
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def save(image: Pillow.Image, kind: str, **arguments: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **arguments)
    return file.getvalue()


@pytest.mark.parametrize("picture_format", ["jpeg", "png", "webp"])
def test_an_annotated_image_is_upright_with_its_faces_and_its_profile(
    picture_format: PictureFormat,
) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    source = save(Pillow.new("RGB", (160, 120), "grey"), "PNG", exif=exif, icc_profile=SRGB)
    profile = read_rgb_profile(source)
    picture = render_annotated(open_image(source, LIMITS), [FACE], picture_format, LIMITS, profile)
    image = Pillow.open(io.BytesIO(picture.content))
    assert image.format == picture_format.upper()
    assert image.size == (120, 160)
    assert image.info["icc_profile"] == SRGB
    assert not image.getexif()
    red, green, blue = np.asarray(image.convert("RGB"))[66, 55].astype(int)
    assert min(red, green) > blue + 60  # the yellow dot


def test_a_grey_profile_is_not_that_of_the_result() -> None:
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    assert read_rgb_profile(save(Pillow.new("L", (9, 9)), "PNG", icc_profile=grey)) is None
    assert read_rgb_profile(b"no image") is None


def test_an_image_without_full_scale_is_refused() -> None:
    def decode(_: int) -> ScaledImage:
        raise AssertionError("nothing is decoded")

    with pytest.raises(ImagePixelsError, match="the limit is 1048576 pixels"):
        render_annotated(LazyImage((2000, 1000), decode), [], "jpeg", LIMITS)
    with pytest.raises(ImagePixelsError, match="save it as a baseline JPEG"):
        render_annotated(LazyImage((1000, 1000), decode, 2), [], "jpeg", LIMITS)


@pytest.mark.parametrize(("encoding", "media_type"), [("jpeg", "image/jpeg"), ("png", "image/png")])
def test_crops_are_encoded(encoding: CropEncoding, media_type: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    crops = crop_faces(LazyImage.from_array(noise), [FACE, FACE], CropOptions(70, 0))
    pictures = encode_crops(crops, encoding, LIMITS, SRGB)
    assert [picture.media_type for picture in pictures] == [media_type] * 2
    decoded = Pillow.open(io.BytesIO(pictures[0].content))
    assert decoded.info["icc_profile"] == SRGB
    error = np.abs(np.asarray(decoded).astype(int) - noise[30:100, 20:90])
    assert error.max() == 0 if encoding == "png" else 0 < error.mean() < 12


def test_all_crops_together_have_a_limit() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    crops = crop_faces(LazyImage.from_array(noise), [FACE] * 4, CropOptions(100, 0))
    one, *_ = encode_crops(crops[:1], "png", LIMITS)
    limits = DecodingLimits(len(one.content) * 3 // 4, 1 << 20)  # an answer may have 3
    assert len(encode_crops(crops[:3], "png", limits)) == 3
    with pytest.raises(ImageBytesError):
        encode_crops(crops, "png", limits)
