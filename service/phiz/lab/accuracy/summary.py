"""Records of the figures of one model on one data set."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from phiz.lab.accuracy.precision import FloatArray
from phiz.options import Overlap


@dataclass(frozen=True, slots=True)
class RecallSummary:
    """How many of the faces that count were found.

    Attributes:
        faces: That count.
        recall: Share of them that was found at the score limit, 0 to 1; NaN without faces.
        precision: Average precision, 0 to 1; NaN without faces, or where not all are labelled.
    """

    faces: int
    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class ErrorQuantiles:
    """The median of some errors and what nine of ten are below; NaN without any."""

    median: float
    p90: float

    @classmethod
    def from_errors(cls, errors: FloatArray) -> "ErrorQuantiles":
        """Return the spread of errors (N,)."""
        if not len(errors):
            return cls(float("nan"), float("nan"))
        middle, high = np.quantile(errors, [0.5, 0.9]).tolist()
        return cls(middle, high)


@dataclass(frozen=True, slots=True)
class AlignmentErrors:
    """On labelled faces, in distances of their eyes.

    Attributes:
        faces: That were found.
        missed: That were not.
        landmarks: Mean absolute error of x and y of eyes and nose.
        distances: Mean distance of eyes and nose from their labels.
        box: Mean absolute error of the sides, around the model's own offset.
        box_offset: Left, upper, right, lower: by how much the model's sides lie right of or
            below the labelled ones, in the median.
    """

    faces: int
    missed: int
    landmarks: ErrorQuantiles
    distances: ErrorQuantiles
    box: ErrorQuantiles
    box_offset: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Steadiness:
    """How much predictions move where the face does not.

    Attributes:
        faces: That were found and found again, or pairs of successive frames.
        lost: How often a face was not found again; of a film, frames without a face.
        square: Median of the mean squared differences over squared distance of the eyes.
        rms: Its square root, in distances of the eyes.
    """

    faces: int
    lost: int
    square: float
    rms: float


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Detections where no face is: how many, and in how many pictures."""

    pictures: int
    detections: int


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """The figures of one model on one data set; None is what could not be measured there.

    Attributes:
        dataset: Its name.
        model: Its name.
        overlap: What became of predictions that overlapped.
        passes: How often BlazeFace looked.
        pictures: How many.
        median_ms: By stage, and ``total``.
        levels: By level of the labels.
        heights: By height of the face, of the level that takes in the others.
        shares: By share of the picture that the face takes, likewise.
        errors: Of landmarks and boxes.
        jitter: By overlap, in pictures that were moved.
        film: In successive frames.
        alarms: In pictures without faces.
    """

    dataset: str
    model: str
    overlap: Overlap
    passes: int
    pictures: int
    median_ms: Mapping[str, float]
    levels: Mapping[str, RecallSummary] | None = None
    heights: Mapping[str, RecallSummary] | None = None
    shares: Mapping[str, RecallSummary] | None = None
    errors: AlignmentErrors | None = None
    jitter: Mapping[Overlap, Steadiness] | None = None
    film: Steadiness | None = None
    alarms: FalseAlarms | None = None
