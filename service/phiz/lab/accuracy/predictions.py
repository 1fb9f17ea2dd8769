"""A model's answers to labelled photographs."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from phiz.engine import Engine
from phiz.faces import Boxes, DetectOptions, Face, Scores
from phiz.lab.accuracy.labels import LabelledImage
from phiz.lab.accuracy.photos import name_unreadable
from phiz.timings import Stopwatch, Timings


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one photograph.

    Attributes:
        label: The photograph and its labelled faces.
        size_wh: Pixels of the photograph, upright.
        faces: By falling score.
        timings: Of the stages.
    """

    label: LabelledImage
    size_wh: tuple[int, int]
    faces: tuple[Face, ...]
    timings: Timings


def predict_faces(
    engine: Engine, model: str, options: DetectOptions, labels: Iterable[LabelledImage]
) -> Iterator[Prediction]:
    """Yield a model's answers to photographs, one after the other.

    Raises:
        OptionError: There is no such model; a photograph is not there or cannot be decoded.
    """
    for label in labels:
        stopwatch = Stopwatch()
        with name_unreadable(f"the photograph {label.path}"):
            result = engine.detect(label.path.read_bytes(), model, options, stopwatch)
        size_wh = result.width, result.height
        yield Prediction(label, size_wh, result.faces, stopwatch.to_timings())


def to_boxes(faces: Sequence[Face]) -> Boxes:
    """Return the boxes of faces as an array (N, 4), also of none."""
    return np.array([face.box for face in faces], np.float32).reshape(-1, 4)


def to_scores(faces: Sequence[Face]) -> Scores:
    """Return the scores of faces as an array (N,)."""
    return np.array([face.score for face in faces], np.float32)
