"""What a worker tells the service, which itself loads nothing that detects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from phiz.models.router_config import RouterConfig
from phiz.models.specs import ModelKind, ModelSpec, Precision


@dataclass(frozen=True, slots=True)
class MeasuredVariant:
    """What a study of this machine found best for a network, one picture on one thread.

    Attributes:
        runtime: That runs it.
        precision: That it is computed in.
        median_ms: Its time.
        reference_ms: That of onnxruntime in float32.
    """

    runtime: str
    precision: str
    median_ms: float
    reference_ms: float


@dataclass(frozen=True, slots=True)
class ModelInventory:
    """The models that are loaded, and those that are as soon as they are asked for.

    Attributes:
        specs: Of the models.
        router_config: What ``auto`` goes by.
        landmarks: What each kind of model finds in a face.
        warm_up_s: What each name that a detection may ask for took in the warm-up.
        classifiers: Specs of what can be asked for where it is built.
        folder: Where built models lie.
        default_precisions: By classifier, what it is computed in where nobody says otherwise.
        measured: By network, if this machine was.
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
        body: JSON.
        server_timing: The stages in ms as a ``Server-Timing`` header (W3C), which browsers draw.
        face_count: How many; None where none were looked for.
        stages: Seconds of each stage, as in ``Timings``.
        parts: Seconds of each network of a cascade, likewise.
        total_s: Seconds of all stages.
    """

    body: bytes
    server_timing: str
    face_count: int | None
    stages: Mapping[str, float]
    parts: Mapping[str, float]
    total_s: float
