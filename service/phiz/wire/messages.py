"""What a worker tells the service, which itself loads nothing that detects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from phiz.models.router_config import RouterCard
from phiz.models.specs import Form, Kind, ModelCard
from phiz.timings import Timings


@dataclass(frozen=True, slots=True)
class Measured:
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
class Stock:
    """The models that are loaded, and those that are as soon as they are asked for.

    Attributes:
        cards: Of the models.
        router: What ``auto`` goes by.
        landmarks: What each kind of model finds in a face.
        seconds: What each name that a detection may ask for took in the warm-up.
        classifiers: Cards of what can be asked for where it is built.
        folder: Where built models lie.
        default_forms: By classifier, what it is computed in where nobody says otherwise.
        measured: By network, if this machine was.
    """

    cards: tuple[ModelCard, ...]
    router: RouterCard
    landmarks: Mapping[Kind, tuple[str, ...]]
    seconds: Mapping[str, float]
    classifiers: tuple[ModelCard, ...]
    folder: Path
    default_forms: Mapping[str, Form]
    measured: Mapping[str, Measured] = field(default_factory=dict)


class Answer(NamedTuple):
    """An encoded answer and what is counted of it.

    Attributes:
        body: JSON.
        server_timing: The stages in ms as a ``Server-Timing`` header (W3C), which browsers draw.
        faces: How many; None where none were looked for.
        timings: The stages.
    """

    body: bytes
    server_timing: str
    faces: int | None
    timings: Timings

    def plain(self) -> tuple[object, ...]:
        """Return it without classes, which is pickled several times as fast."""
        return (self.body, self.server_timing, self.faces, tuple(self.timings))

    @classmethod
    def of(cls, plain: tuple[Any, ...]) -> Self:
        """Return what ``plain`` was made of."""
        body, server_timing, faces, timings = plain
        return cls(body, server_timing, faces, Timings(*timings))
