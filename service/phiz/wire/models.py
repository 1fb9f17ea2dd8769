"""The wire format of ``GET /models``."""

from pydantic import BaseModel, Field

from phiz.models.specs import Precision


class MeasuredEntry(BaseModel):
    """The fastest acceptable variant of a network, measured on this machine by `phiz study`."""

    runtime: str
    precision: str
    median_ms: float = Field(description="Median time of one image on one thread.")
    reference_ms: float = Field(description="The same with onnxruntime and float32.")


class NetworkEntry(BaseModel):
    """One ONNX file of a model."""

    name: str
    sha256: str
    bytes: int
    measured: MeasuredEntry | None = Field(
        default=None, description="Null if this machine has not been measured."
    )


class OperatingPointEntry(BaseModel):
    """Measured precision and recall at a default score limit, each from 0 to 1."""

    measured_on: str = Field(description="The photographs that were used.")
    precision: float = Field(
        description="Share of detections that are faces, on photographs with every face labelled."
    )
    recall: dict[str, float] = Field(
        description="Share of faces that are found, for each level of WIDER FACE (`easy`, `medium`,"
        " `hard`) and for `portraits`."
    )
    alarms: float = Field(description="Share of photographs without a face that have a detection.")


class ModelEntry(BaseModel):
    """A face detector."""

    name: str
    title: str
    kind: str = Field(description="Family of the model. `auto` runs other models.")
    input_size: int | None = Field(
        description="Side of the square input in pixels; null if images keep their size."
    )
    landmarks: tuple[str, ...] = Field(description="Landmarks of every face. Left is the viewer's.")
    licence: str | None = Field(description="Licence of the weights (SPDX).")
    min_score: float = Field(
        description="Default score limit. Under `auto` it applies to a single face, and is lower"
        " when other faces are present."
    )
    operating_point: OperatingPointEntry | None = Field(
        description="Measured precision and recall at `min_score`; null if not measured."
    )
    networks: list[NetworkEntry]


class ClassifierForm(BaseModel):
    """One ONNX file of a classifier."""

    precision: Precision
    built: bool = Field(description="Whether the file is built.")
    sha256: str
    bytes: int
    measured: MeasuredEntry | None = Field(
        default=None,
        description="Null if this machine has not been measured. Otherwise only the best precision"
        " and the reference `float32` have figures.",
    )


class ClassifierEntry(BaseModel):
    """A classifier."""

    name: str
    title: str
    input_size: int = Field(description="Side of the square input in pixels.")
    licence: str = Field(description="Licence of the weights (SPDX).")
    default_precision: Precision = Field(description="Precision of a request that names none.")
    precisions: list[ClassifierForm]


class ModelList(BaseModel):
    """The available models."""

    models: list[ModelEntry] = Field(description="Face detectors, `auto` last.")
    classifiers: list[ClassifierEntry] = Field(description="Classifiers, built or not.")
