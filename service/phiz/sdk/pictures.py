"""Images as answers: with their faces drawn in, covered, or cut out."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, get_args

import orjson

from phiz.faces import DetectionResult, Face
from phiz.options import Align, Option, PictureFormat
from phiz.timings import NO_TIMINGS, Timings
from phiz.wire.decode import decode_result

TransformRow: TypeAlias = tuple[float, float, float]

_ANNOTATED_FORMAT: Final = Option(
    "jpeg", "Format of an annotated image.", choices=get_args(PictureFormat)
)


@dataclass(frozen=True, slots=True)
class ImageResult:
    """An image that was made of another one.

    Attributes:
        content: The file.
        media_type: Its media type, such as ``image/jpeg``.
        face_count: Number of faces that are drawn in or covered.
        timings: As in a ``DetectionResult``.
    """

    content: bytes = field(repr=False)
    media_type: str
    face_count: int
    timings: Timings = field(default=NO_TIMINGS, compare=False)


@dataclass(frozen=True, slots=True)
class CropImage:
    """A face, cut out.

    Attributes:
        face: The face, in pixels of the image.
        content: The file.
        media_type: Its media type, such as ``image/jpeg``.
        size: Side of the crop, a square, in pixels.
        align: ``none`` if the eyes are too close to each other to be made level.
        transform: Two rows: from pixels of the upright image to pixels of the crop.
    """

    face: Face
    content: bytes = field(repr=False)
    media_type: str
    size: int
    align: Align
    transform: tuple[TransformRow, TransformRow]


@dataclass(frozen=True, slots=True)
class CropResult:
    """The faces of an image, cut out.

    Attributes:
        detection: The answer of the detection, with the timings.
        crops: The crop of each face, in the order of the faces.
    """

    detection: DetectionResult
    crops: tuple[CropImage, ...]


def choose_annotated_format(given: PictureFormat | None) -> PictureFormat:
    """Return the format of an annotated image. JSON, which ``/detect`` has too, is none.

    Raises:
        OptionError: There is no such format.
    """
    chosen: PictureFormat = _ANNOTATED_FORMAT.default if given is None else given
    _ANNOTATED_FORMAT.check("format", chosen)
    return chosen


def decode_crops(body: bytes) -> CropResult:
    """Return the crops of an answer in JSON.

    Raises:
        LookupError, TypeError, ValueError: It is no such answer.
    """
    answer = orjson.loads(body)
    detection = decode_result(answer, Timings.from_milliseconds(answer["timing_ms"]))
    entries = zip(detection.faces, answer["faces"], strict=True)
    return CropResult(detection, tuple(_decode_crop(face, each["crop"]) for face, each in entries))


def _decode_crop(face: Face, crop: Mapping[str, Any]) -> CropImage:
    (a, b, c), (d, e, f) = crop["transform"]
    return CropImage(
        face,
        base64.b64decode(crop["image"], validate=True),
        crop["media_type"],
        crop["size"],
        crop["align"],
        ((a, b, c), (d, e, f)),
    )
