"""Messages from a worker to the service, which loads no model itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from phiz.models.router_config import RouterConfig
from phiz.models.specs import ModelKind, ModelSpec, Precision

JSON: Final = "application/json"

WARM_UP_SIZE_WH: Final = 320, 240
"""Size of the image that each detector is warmed up with."""


@dataclass(frozen=True, slots=True)
class MeasuredVariant:
    """The best variant of a network in a study of this machine.

    Attributes:
        runtime: Name of its runtime.
        precision: Its precision.
        median_ms: Median time of one image on one thread.
        reference_ms: The same with onnxruntime and float32.
    """

    runtime: str
    precision: str
    median_ms: float
    reference_ms: float


@dataclass(frozen=True, slots=True)
class ModelInventory:
    """The loaded models, and the classifiers that are loaded on request.

    Attributes:
        specs: Specs of the loaded models.
        router_config: Configuration of ``auto``.
        landmarks: Landmarks of a face, by kind of model.
        warm_up_s: Seconds of one detection in the warm-up, by model, including ``auto``.
        classifiers: Specs of the classifiers.
        folder: Folder of the built models.
        default_precisions: Precision of requests that name none, by classifier.
        measured: Best variant by network, if this machine was measured.
    """

    specs: tuple[ModelSpec, ...]
    router_config: RouterConfig
    landmarks: Mapping[ModelKind, tuple[str, ...]]
    warm_up_s: Mapping[str, float]
    classifiers: tuple[ModelSpec, ...]
    folder: Path
    default_precisions: Mapping[str, Precision]
    measured: Mapping[str, MeasuredVariant] = field(default_factory=dict)


class EncodedAnswer(NamedTuple):
    """An encoded answer and what is counted of it.

    Attributes:
        body: JSON, unless ``media_type`` says otherwise.
        server_timing: The stages in ms as a ``Server-Timing`` header (W3C), which browsers draw.
        face_count: Number of faces; None for a classification.
        stages: Seconds of each stage, as in ``Timings``.
        parts: Seconds of each network of a cascade.
        total_s: Seconds of all stages.
        media_type: Media type of the body.
        headers: Names and values of further headers.
    """

    body: bytes
    server_timing: str
    face_count: int | None
    stages: Mapping[str, float]
    parts: Mapping[str, float]
    total_s: float
    media_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
