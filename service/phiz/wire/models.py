"""What can be asked for, and what is known of it: the wire format of ``GET /models``."""

from pydantic import BaseModel, Field

from phiz.models.specs import Precision


class MeasuredEntry(BaseModel):
    """What `phiz study` found best for a network on this machine."""

    runtime: str
    precision: str
    median_ms: float = Field(description="Of one picture on one thread.")
    reference_ms: float = Field(description="The same in onnxruntime and float32.")


class NetworkEntry(BaseModel):
    """One ONNX file of a model."""

    name: str
    sha256: str
    bytes: int
    measured: MeasuredEntry | None = Field(
        default=None, description="Null if this machine was not measured."
    )


class OperatingPointEntry(BaseModel):
    """What a default limit means, measured on photographs; shares are from 0 to 1."""

    measured_on: str = Field(description="Which photographs.")
    precision: float = Field(
        description="Share of the detections that are faces, where all faces are labelled."
    )
    recall: dict[str, float] = Field(
        description="Share of the faces that are found: of the levels of WIDER FACE (`easy`,"
        " `medium`, `hard`), and of `portraits`."
    )
    alarms: float = Field(
        description="Share of the photographs without a face that have a detection."
    )


class ModelEntry(BaseModel):
    """One model that a detection may ask for."""

    name: str
    title: str
    kind: str = Field(description="What runs it; `auto` runs others.")
    input_size: int | None = Field(
        description="Side of the square that a picture is reduced to, pixels; null if it is not."
    )
    landmarks: tuple[str, ...] = Field(description="What every face has, the viewer's left.")
    licence: str | None = Field(description="Of the weights (SPDX).")
    min_score: float = Field(
        description="The default limit; of `auto` that of a face without others, among whom less"
        " is asked."
    )
    operating_point: OperatingPointEntry | None = Field(
        description="What that means; null if it was not measured."
    )
    networks: list[NetworkEntry]


class ClassifierForm(BaseModel):
    """One ONNX file of a classifier."""

    precision: Precision
    built: bool = Field(description="Whether it is there to be asked.")
    sha256: str
    bytes: int
    measured: MeasuredEntry | None = Field(
        default=None,
        description="Null if this machine was not measured, or if that found another precision"
        " best and this is not `float32`, which all are compared with.",
    )


class ClassifierEntry(BaseModel):
    """One model that a classification may ask for."""

    name: str
    title: str
    input_size: int = Field(description="Side of the square that a picture is reduced to, pixels.")
    licence: str = Field(description="Of the weights (SPDX).")
    default_precision: Precision = Field(description="Where a request names none.")
    precisions: list[ClassifierForm]


class ModelList(BaseModel):
    """What can be asked for."""

    models: list[ModelEntry] = Field(description="By a detection; `auto` last.")
    classifiers: list[ClassifierEntry] = Field(description="By a classification, where built.")
