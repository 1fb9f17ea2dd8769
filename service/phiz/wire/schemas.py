"""The wire format: the options of a request and the fields of an answer.

The models validate options and describe answers for OpenAPI. Answers are built as plain dicts
by ``phiz.wire.encode``, which the command line shares.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from phiz.faces import DetectOptions, RouteReason
from phiz.models.specs import CLASS_COUNT, Precision
from phiz.options import (
    CLASSIFY_OPTIONS,
    DETECT_OPTIONS,
    STREAM_OPTIONS,
    ClassifierName,
    Details,
    DetectorName,
    Option,
    Order,
    Overlap,
    Rotate,
    Smooth,
)

JsonObject: TypeAlias = dict[str, Any]
"""A value that JSON encodes as an object."""


class Parameters(BaseModel, ABC):
    """The options of a request. Each is a query parameter and a form field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    declared: ClassVar[Mapping[str, Option]]

    model: str

    @field_validator("*", mode="before")
    @classmethod
    def _reject_underscores(cls, value: object) -> object:
        # Pydantic accepts the number literals of Python, in which 1_0 is ten.
        if isinstance(value, str) and "_" in value:
            raise ValueError("no value contains underscores")
        return value

    # Requests look up by their options what was found for earlier ones. Pydantic's own hash goes
    # through all fields each time.
    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((type(self), *(getattr(self, name) for name in type(self).model_fields)))

    @property
    def answer_format(self) -> str | None:
        """The format of the answer that was asked for; None by default."""
        return None

    @abstractmethod
    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""


def declare_field(option: Option) -> Any:  # noqa: ANN401  of the type that the field has
    """Return the field of an option. Pydantic checks choices by the field's type."""
    help_text = option.help
    if option.default_help:
        help_text += f" Default: {option.default_help}."
    if option.choices:
        return Field(default=option.default, description=help_text)
    return Field(
        default=option.default,
        ge=option.minimum,
        le=option.maximum,
        allow_inf_nan=None if option.is_whole else False,
        description=help_text,
    )


class DetectParameters(Parameters):
    """The options of a detection."""

    declared = DETECT_OPTIONS

    model: DetectorName = declare_field(DETECT_OPTIONS["model"])
    min_score: float | None = declare_field(DETECT_OPTIONS["min_score"])
    min_face: float | None = declare_field(DETECT_OPTIONS["min_face"])
    max_faces: int = declare_field(DETECT_OPTIONS["max_faces"])
    order: Order = declare_field(DETECT_OPTIONS["order"])
    overlap: Overlap = declare_field(DETECT_OPTIONS["overlap"])
    input_size: int | None = declare_field(DETECT_OPTIONS["input_size"])
    passes: int = declare_field(DETECT_OPTIONS["passes"])
    rotate: Rotate = declare_field(DETECT_OPTIONS["rotate"])
    details: Details = declare_field(DETECT_OPTIONS["details"])
    budget_ms: float | None = declare_field(DETECT_OPTIONS["budget_ms"])

    def to_options(self) -> DetectOptions:
        """Return what the detector is given."""
        chosen = self.model_dump(exclude={"model"})
        return DetectOptions(**chosen)

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        return self.model, self.to_options()


class StreamParameters(DetectParameters):
    """The options of a stream."""

    declared = STREAM_OPTIONS

    max_faces: int = declare_field(STREAM_OPTIONS["max_faces"])
    smooth: Smooth = declare_field(STREAM_OPTIONS["smooth"])

    def to_options(self) -> DetectOptions:
        """Return what the detector is given."""
        chosen = self.model_dump(exclude={"model", "smooth"})
        return DetectOptions(**chosen)


class ClassifyParameters(Parameters):
    """The options of a classification."""

    declared = CLASSIFY_OPTIONS

    model: ClassifierName = declare_field(CLASSIFY_OPTIONS["model"])
    precision: Precision | None = declare_field(CLASSIFY_OPTIONS["precision"])
    top: int = declare_field(CLASSIFY_OPTIONS["top"])

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        return self.model, self.precision, self.top


class ImageSize(BaseModel):
    """Size of the upright image, after the Exif orientation."""

    width: int = Field(description="Pixels.", ge=1)
    height: int = Field(description="Pixels.", ge=1)


class Landmark(BaseModel):
    """A point. It may lie outside the image."""

    x: float = Field(description="Pixels from the left edge of the upright image.")
    y: float = Field(description="Pixels from the upper edge of the upright image.")


class Box(BaseModel):
    """A rectangle inside the image."""

    x: float = Field(description="Left edge, in pixels of the upright image.", ge=0)
    y: float = Field(description="Upper edge, in pixels.", ge=0)
    width: float = Field(description="Pixels.", ge=0)
    height: float = Field(description="Pixels.", ge=0)


class FaceQuality(BaseModel):
    """Quality of a face, to compare similar images."""

    eye_distance: float = Field(description="Distance between the eyes, in pixels.", ge=0)
    frontalness: float = Field(
        description="1 if the nose is midway between the eyes, 0 if it is beside one of them.",
        ge=0,
        le=1,
    )
    sharpness: float = Field(
        description="Fine detail relative to contrast, at the scale that the model processed: 0"
        " without any detail, about 0.5 in a sharp image.",
        ge=0,
    )


class HeadPose(BaseModel):
    """How far a head is turned, estimated from its landmarks."""

    yaw: float = Field(
        description="Degrees: positive if the face looks to the right of the image.", ge=-90, le=90
    )
    pitch: float = Field(description="Degrees: positive if it looks up.", ge=-90, le=90)
    roll: float = Field(description="Degrees clockwise.", ge=-180, le=180)


class FoundFace(BaseModel):
    """One face."""

    box: Box
    score: float = Field(description="Score of the model, 0 to 1.", ge=0, le=1)
    landmarks: dict[str, Landmark] = Field(
        description="Landmarks by name. Left and right are the viewer's. `left_eye`, `right_eye`"
        " and `nose` are always present. `front`, `back` and `full` add `mouth`, `left_ear` and"
        " `right_ear`. The other models add `mouth_left` and `mouth_right`."
    )
    roll: float | None = Field(
        default=None,
        description="Angle of the line between the eyes, in degrees clockwise. Only with"
        " `rotate=auto` or `details`.",
        ge=-180,
        le=180,
    )
    quality: FaceQuality | None = Field(default=None, description="Only with `details=quality`.")
    pose: HeadPose | None = Field(default=None, description="Only with `details=pose`.")
    model: DetectorName | None = Field(
        default=None,
        description="The model of the last pass that searched the image. Only with `model=auto`.",
    )


class RouteStep(BaseModel):
    """One step that `auto` ran or skipped."""

    model: DetectorName
    ran: bool = Field(description="Whether the step ran.")
    faces: int = Field(
        description="Number of faces that passed the limits after this step; 0 if skipped.", ge=0
    )
    reason: RouteReason = Field(
        description="Why the step ran or was skipped, as a stable name for programs."
        " `first_pass`: the first pass ran, which finds close-ups."
        " `fits_budget`: the first pass ran at the largest input that fits `budget_ms`."
        " `budget_spent`: `budget_ms` is spent, or too short for more than the smallest input."
        " `close_up`: every face is a close-up, so nothing else runs."
        " `not_close_up`: the first pass found no close-up, and the whole image was searched."
        " `second_opinion`: a second network searched the whole image, and confidences are of both."
        " `more_faces_expected`: small faces are likely, and their region was searched at a larger"
        " scale."
        " `too_few_expected`: no small faces are likely, or a larger scale would show nothing more."
        " `no_time_left`: the time left is too short for the next pass."
    )
    why: str = Field(
        description="The reason as a sentence, with its numbers. Its words may change."
    )


class DetectAnswer(BaseModel):
    """The faces of an image. The list is empty if there are none."""

    model: DetectorName = Field(description="The requested model.")
    image: ImageSize
    faces: list[FoundFace] = Field(description="The faces, best first.")
    route: list[RouteStep] | None = Field(
        default=None, description="Which models ran and why. Only with `model=auto`."
    )
    timing_ms: dict[str, float] = Field(
        description="Time of each stage in milliseconds: `queue`, `decode`, `preprocess`,"
        " `inference` and `postprocess`. A stage with nothing to do is 0. Stages do not overlap."
        " `total` is their sum, from the last byte of the body to the answer. `pnet`, `rnet` and"
        " `onet` are parts of `inference`, and present if they ran."
    )


class FoundClass(BaseModel):
    """One class of ImageNet."""

    index: int = Field(description="Index of the class in ImageNet.", ge=0, lt=CLASS_COUNT)
    label: str = Field(description="English name of the class.")
    score: float = Field(description="Probability of the class; all 1000 add up to 1.", ge=0, le=1)


class ClassifyAnswer(BaseModel):
    """The most likely classes of an image."""

    model: ClassifierName = Field(description="The requested model.")
    precision: Precision = Field(description="Precision of the network.")
    classes: list[FoundClass] = Field(description="The classes, best first.")
    timing_ms: dict[str, float] = Field(
        description="Time of each stage in milliseconds, as in an answer of `/detect`."
    )


class Problem(BaseModel):
    """An error, in the format of RFC 9457."""

    type: str = Field(description="Always `about:blank`; `code` identifies the error.")
    title: str = Field(description="The HTTP status as text.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="Stable name of the error, for programs.")
    detail: str = Field(description="The error, the limit and what to do. Its words may change.")


class BatchAnswer(BaseModel):
    """The answers to several images."""

    results: list[DetectAnswer | Problem] = Field(
        description="One entry per image, in the order of the request: its faces, or its error,"
        " which has a `code`."
    )
