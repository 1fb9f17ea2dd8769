"""The options and answers of the routes that answer images."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, Field

from phiz.editing.options import BlurOptions, CropOptions
from phiz.faces import DetectOptions
from phiz.options import (
    BLUR_OPTIONS,
    CROP_OPTIONS,
    DETECT_FORMAT_OPTIONS,
    DETECT_OPTIONS,
    Align,
    BlurKind,
    CropEncoding,
    CropFormat,
    DetectFormat,
    DetectorName,
    Option,
    PictureFormat,
    Rotate,
)
from phiz.wire.schemas import DetectAnswer, DetectParameters, FoundFace, declare_field


class FormatParameters(DetectParameters):
    """The options of a detection whose answer has several formats."""

    format: str | None = None

    @property
    def answer_format(self) -> str | None:
        """The format of the answer that was asked for; None by default."""
        return self.format

    def to_options(self) -> DetectOptions:
        """Return what the detector is given."""
        chosen = {name: getattr(self, name) for name in DETECT_OPTIONS if name != "model"}
        return DetectOptions(**chosen)


class DetectImageParameters(FormatParameters):
    """The options of ``/detect``."""

    declared: ClassVar[Mapping[str, Option]] = {**DETECT_OPTIONS, **DETECT_FORMAT_OPTIONS}

    format: DetectFormat | None = declare_field(DETECT_FORMAT_OPTIONS["format"])


class CropParameters(FormatParameters):
    """The options of crops."""

    declared: ClassVar[Mapping[str, Option]] = {**DETECT_OPTIONS, **CROP_OPTIONS}

    format: CropFormat | None = declare_field(CROP_OPTIONS["format"])
    size: int = declare_field(CROP_OPTIONS["size"])
    align: Align = declare_field(CROP_OPTIONS["align"])
    margin: float | None = declare_field(CROP_OPTIONS["margin"])
    encoding: CropEncoding = declare_field(CROP_OPTIONS["encoding"])

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        crop = CropOptions(self.size, self.margin, self.align, self.encoding)
        return *super().to_arguments(), crop


class BlurParameters(FormatParameters):
    """The options of covered faces."""

    declared: ClassVar[Mapping[str, Option]] = {**DETECT_OPTIONS, **BLUR_OPTIONS}

    model: DetectorName = declare_field(BLUR_OPTIONS["model"])
    min_score: float | None = declare_field(BLUR_OPTIONS["min_score"])
    max_faces: int = declare_field(BLUR_OPTIONS["max_faces"])
    rotate: Rotate = declare_field(BLUR_OPTIONS["rotate"])
    format: PictureFormat | None = declare_field(BLUR_OPTIONS["format"])
    kind: BlurKind = declare_field(BLUR_OPTIONS["kind"])
    grow: float = declare_field(BLUR_OPTIONS["grow"])

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        return *super().to_arguments(), BlurOptions(self.kind, self.grow)


class Crop(BaseModel):
    """The crop of a face."""

    media_type: str = Field(description="`image/jpeg` or `image/png`.")
    size: int = Field(description="Its side in pixels.", ge=1)
    align: Align = Field(
        description="`none` if the eyes are too close to each other to be aligned, as in a profile."
    )
    transform: list[list[float]] = Field(
        description="Similarity transform, two rows of three numbers: a point (x, y) of the upright"
        " image is at (a x + b y + c, d x + e y + f) of the crop."
    )
    file: str | None = Field(default=None, description="Name of its file in an archive or a form.")
    image: str | None = Field(default=None, description="The file as base64, in JSON.")


class CroppedFace(FoundFace):
    """One face and its crop."""

    crop: Crop


class CropAnswer(DetectAnswer):
    """The faces of an image and their crops: as JSON, and in an archive or a form as a file."""

    faces: list[CroppedFace] = Field(description="The faces, best first.")  # type: ignore[assignment]
