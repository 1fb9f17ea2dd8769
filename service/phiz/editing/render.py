"""From an opened image and its faces to files: the image with its faces drawn in, or its crops."""

from collections.abc import Sequence
from typing import Any, Final

from phiz.cancellation import checkpoint
from phiz.editing.annotate import annotate_image
from phiz.editing.crop import FaceCrop
from phiz.editing.encode import Picture, check_answer_bytes, encode_image
from phiz.editing.metadata import fits_mode, read_profile
from phiz.editing.stored import decode_upright
from phiz.faces import Face
from phiz.image.formats import sniff_format
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.options import CropEncoding, PictureFormat

# A crop is looked at closely, or by a network: its colours are not reduced.
_CROP_ARGUMENTS: Final[dict[CropEncoding, dict[str, Any]]] = {
    "jpeg": {"quality": 95, "subsampling": 0},
    "png": {},
}


def render_annotated(
    image: LazyImage,
    faces: Sequence[Face],
    picture_format: PictureFormat,
    limits: DecodingLimits,
    profile: bytes | None = None,
) -> Picture:
    """Return an image with its faces drawn in.

    Args:
        image: The upright image.
        faces: In its pixels.
        picture_format: Format of the result.
        limits: The limits on images.
        profile: Colour profile of the image.

    Raises:
        ImageError: The pixels cannot be decoded at full scale or written within the limits.
    """
    picture = decode_upright(image, limits)
    checkpoint()
    annotate_image(picture, faces)
    checkpoint()
    return encode_image(picture, picture_format, limits, icc_profile=profile)


def read_rgb_profile(image_bytes: bytes) -> bytes | None:
    """Return the colour profile of a readable file, if its image in RGB has it too."""
    image_format = sniff_format(image_bytes)
    if image_format is None:
        return None
    profile = read_profile(image_format, image_bytes)
    return profile if fits_mode(profile, "RGB") else None


def encode_crops(
    crops: Sequence[FaceCrop],
    encoding: CropEncoding,
    limits: DecodingLimits,
    profile: bytes | None = None,
) -> list[Picture]:
    """Return each crop as a file.

    Raises:
        ImageBytesError: They would be too large together.
    """
    pictures = []
    total_bytes = 0
    for crop in crops:
        checkpoint()
        picture = encode_image(
            crop.image, encoding, limits, icc_profile=profile, **_CROP_ARGUMENTS[encoding]
        )
        total_bytes += len(picture.content)
        check_answer_bytes(total_bytes, limits)
        pictures.append(picture)
    return pictures
