"""The wire format: what a request may choose, and what an answer looks like.

The models check the options and describe the rest for OpenAPI. An answer itself is built as
a plain dict, by ``phiz.wire.encode``, which the command line shares.
"""

from abc import ABC, abstractmethod
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator

from phiz.faces import (
    BUDGET_LIMIT_MS,
    MAX_FACES_LIMIT,
    MAX_PASSES,
    MIN_FACE_LIMIT,
    Details,
    DetectOptions,
    Overlap,
    Rotate,
)
from phiz.models.specs import CLASS_COUNT, Precision

ModelName: TypeAlias = Literal["front", "back", "full", "mtcnn", "auto"]
ClassifierName: TypeAlias = Literal["mobilenet", "efficientnet"]
JsonObject: TypeAlias = dict[str, Any]
"""What ``json`` encodes as an object."""


class Parameters(BaseModel, ABC):
    """The options of a request; each is a query parameter and a form field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str

    @abstractmethod
    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""


class DetectParameters(Parameters):
    """The options of a detection."""

    model: ModelName = Field(
        default="auto", description="What detects; `auto` chooses by what the picture needs."
    )
    min_score: float | None = Field(
        default=None,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Faces that score less are left out. Default: the model's own limit, which"
        " `/models` gives with what it means.",
    )
    min_face: float | None = Field(
        default=None,
        ge=1,
        le=MIN_FACE_LIMIT,
        allow_inf_nan=False,
        description="Shorter side of the smallest face's box, in pixels of the picture. For"
        " `mtcnn` this is where its pyramid begins, and a larger value is faster."
        " Default: 20 for `mtcnn`, else none.",
    )
    max_faces: int = Field(
        default=1000, ge=1, le=MAX_FACES_LIMIT, description="So many faces at most, best first."
    )
    overlap: Overlap = Field(
        default="blend",
        description="What becomes of predictions that overlap: their weighted mean"
        " (`blend`), or the best alone (`nms`).",
    )
    passes: int = Field(
        default=1,
        ge=1,
        le=MAX_PASSES,
        description="How often a picture is looked at by `front`, `back` and `full`: with 2, once"
        " more half a cell of the network's grid further. That takes twice the inference, and"
        " boxes and landmarks are steadier and more accurate.",
    )
    rotate: Rotate = Field(
        default="none",
        description="Whether a picture without a clear upright face is turned by 90, 180 and 270"
        " degrees (`auto`), which takes up to four times as long. Coordinates stay those of the"
        " picture as given, and each face has its `roll`.",
    )
    details: Details = Field(
        default="none",
        description="What is told of each face beside where it is: its `roll` and `quality`.",
    )
    budget_ms: float | None = Field(
        default=None,
        ge=1,
        le=BUDGET_LIMIT_MS,
        allow_inf_nan=False,
        description="Milliseconds that `auto` may take, decoding included and queueing not: the"
        " best that fits. Default: as long as more faces are likely.",
    )

    @field_validator("min_score", "min_face", "max_faces", "passes", "budget_ms", mode="before")
    @classmethod
    def _check_number(cls, value: object) -> object:
        return _reject_underscores(value)

    def to_options(self) -> DetectOptions:
        """Return what the detector is given."""
        chosen = self.model_dump(exclude={"model"})
        return DetectOptions(**chosen)

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        return self.model, self.to_options()


class ClassifyParameters(Parameters):
    """The options of a classification."""

    model: ClassifierName = Field(
        default="efficientnet",
        description="What classifies; `mobilenet` takes less time and is right less often.",
    )
    precision: Precision | None = Field(
        default=None,
        description="What the network is computed in. Default: what is recommended for the"
        " machine, which is `int8` on a processor with instructions for it (VNNI, dot product),"
        " else `float32`.",
    )
    top: int = Field(
        default=5, ge=1, le=CLASS_COUNT, description="So many classes, the best first."
    )

    @field_validator("top", mode="before")
    @classmethod
    def _check_number(cls, value: object) -> object:
        return _reject_underscores(value)

    def to_arguments(self) -> tuple[Any, ...]:
        """Return what a worker is given beside the picture."""
        return self.model, self.precision, self.top


def _reject_underscores(value: object) -> object:
    # Pydantic reads numbers as Python's source has them, in which 1_0 is ten.
    if isinstance(value, str) and "_" in value:
        raise ValueError("a number has no underscores")
    return value


class ImageSize(BaseModel):
    """Size of the upright picture (after EXIF)."""

    width: int = Field(description="Pixels.", ge=1)
    height: int = Field(description="Pixels.", ge=1)


class Landmark(BaseModel):
    """A point; it may lie outside of the picture."""

    x: float = Field(description="Pixels from the left edge of the upright picture.")
    y: float = Field(description="Pixels from its upper edge.")


class Box(BaseModel):
    """A rectangle within the picture."""

    x: float = Field(description="Left edge, pixels of the upright picture.", ge=0)
    y: float = Field(description="Upper edge, pixels.", ge=0)
    width: float = Field(description="Pixels.", ge=0)
    height: float = Field(description="Pixels.", ge=0)


class FaceQuality(BaseModel):
    """How well a face shows."""

    eye_distance: float = Field(description="Between the eyes, pixels of the picture.", ge=0)
    frontalness: float = Field(
        description="1 where the nose is midway between the eyes, 0 where it is beside one.",
        ge=0,
        le=1,
    )
    sharpness: float = Field(
        description="The finest detail against the contrast, of the pixels that the model saw:"
        " 0 without any, about 0.5 in a sharp picture.",
        ge=0,
    )


class FoundFace(BaseModel):
    """One face."""

    box: Box
    score: float = Field(description="As the model gives it.", ge=0, le=1)
    landmarks: dict[str, Landmark] = Field(
        description="By name; left and right are the viewer's. `left_eye`, `right_eye` and"
        " `nose` are always there. `mtcnn` adds `mouth_left` and `mouth_right`, the others"
        " `mouth`, `left_ear` and `right_ear`."
    )
    roll: float | None = Field(
        default=None,
        description="Of the head by its eyes, degrees clockwise; only with `rotate=auto` or"
        " `details=quality`.",
        ge=-180,
        le=180,
    )
    quality: FaceQuality | None = Field(default=None, description="Only with `details=quality`.")
    model: ModelName | None = Field(
        default=None, description="The model that found it; only under `auto`."
    )


class RouteStep(BaseModel):
    """One step that `auto` took, or left out."""

    model: ModelName
    ran: bool = Field(description="Whether it ran.")
    faces: int = Field(description="How many of its faces were worth answering then.", ge=0)
    why: str = Field(description="Why it ran, or why not.")


class DetectAnswer(BaseModel):
    """The faces of a picture; none is an empty list."""

    model: ModelName = Field(description="As requested.")
    image: ImageSize
    faces: list[FoundFace] = Field(description="By falling score.")
    route: list[RouteStep] | None = Field(
        default=None, description="What ran and why; only under `auto`."
    )
    timing_ms: dict[str, float] = Field(
        description="Milliseconds of each stage: `queue`, `decode`, `preprocess`, `inference`,"
        " `postprocess`. All are there, 0 if there was nothing to do. They do not overlap, and"
        " `total` is their sum, from the last byte of the body to the answer. `pnet`, `rnet` and"
        " `onet`, where they ran, are parts of `inference`."
    )


class FoundClass(BaseModel):
    """One of ImageNet's classes."""

    index: int = Field(description="In the order of ImageNet's challenge.", ge=0, lt=CLASS_COUNT)
    label: str = Field(description="In English.")
    score: float = Field(description="Those of all classes add up to 1.", ge=0, le=1)


class ClassifyAnswer(BaseModel):
    """What a picture shows."""

    model: ClassifierName = Field(description="As requested.")
    precision: Precision = Field(description="What the network was computed in.")
    classes: list[FoundClass] = Field(description="By falling score.")
    timing_ms: dict[str, float] = Field(
        description="Milliseconds of each stage, as for a detection."
    )


class Problem(BaseModel):
    """What went wrong, as RFC 9457 describes it."""

    type: str = Field(description="A name for the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    code: str = Field(description="One word that stays the same, for programs.")
    detail: str = Field(description="What was wrong, the limit, and what to do.")


class BatchAnswer(BaseModel):
    """What became of several pictures."""

    results: list[DetectAnswer | Problem] = Field(
        description="One for each picture, in their order: its faces, or its error, which has a"
        " `code`."
    )
