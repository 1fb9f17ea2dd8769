"""Records of the figures of one model on one data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import median

import numpy as np

from phiz.lab.accuracy.precision import FloatArray
from phiz.options import Overlap


@dataclass(frozen=True, slots=True)
class RecallSummary:
    """The share of the counted faces that was found.

    Attributes:
        faces: Number of faces that count.
        recall: Share of them that was found at the score limit, 0 to 1; NaN without faces.
        precision: Average precision, 0 to 1; NaN without faces, or where not all are labelled.
    """

    faces: int
    recall: float
    precision: float


@dataclass(frozen=True, slots=True)
class ErrorQuantiles:
    """The median and the 90th percentile of errors; NaN without any."""

    median: float
    p90: float

    @classmethod
    def from_errors(cls, errors: FloatArray) -> "ErrorQuantiles":
        """Return the quantiles of errors (N,)."""
        return cls(*np.quantile(errors, [0.5, 0.9]).tolist()) if len(errors) else cls(nan, nan)


@dataclass(frozen=True, slots=True)
class AlignmentErrors:
    """Errors on labelled faces, in distances of their eyes.

    Attributes:
        faces: Number of faces that were found.
        missed: Number of faces that were not.
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
    """Movement of predictions where the face does not move.

    Attributes:
        faces: Number of faces that were found twice, or of pairs of successive frames.
        lost: How often a face was not found again; of a film, frames without a face.
        square: Median of the mean squared differences over squared distance of the eyes.
        rms: Its square root, in distances of the eyes.
    """

    faces: int
    lost: int
    square: float
    rms: float

    @classmethod
    def from_squares(cls, squares: Sequence[float], lost: int) -> "Steadiness":
        """Return the steadiness of mean squared differences."""
        square = median(squares) if squares else nan
        return cls(len(squares), lost, square, sqrt(square))


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Numbers of detections where no face is, and of pictures with such a detection."""

    pictures: int
    detections: int

    @classmethod
    def from_counts(cls, counts: Sequence[int]) -> "FalseAlarms":
        """Return the false alarms of pictures with so many each."""
        return cls(sum(count > 0 for count in counts), sum(counts))


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """The figures of one model on one data set; None where one could not be measured.

    Attributes:
        dataset: Name of the data set.
        model: Name of the model.
        overlap: How overlapping predictions were merged.
        passes: Number of BlazeFace's passes.
        pictures: Number of photographs.
        median_ms: By stage, and ``total``.
        levels: By level of the labels.
        heights: By height of the face, of the level that takes in the others.
        shares: By share of the picture that the face takes, likewise.
        errors: Errors of landmarks and boxes.
        jitter: By overlap, in pictures that were moved.
        second_boxes: Second boxes over the labelled face, in portraits and in crops of them.
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
    second_boxes: Mapping[str, FalseAlarms] | None = None
    film: Steadiness | None = None
    alarms: FalseAlarms | None = None
