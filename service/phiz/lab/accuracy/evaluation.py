"""What a model answers to a data set: all that is measured of it, before it is summed up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from phiz.engine import Engine
from phiz.faces import DetectOptions, Face
from phiz.image.decode import decode_image
from phiz.lab.accuracy.alignment import (
    ALIGNED_LANDMARKS,
    find_faces_with_points,
    measure_eye_distance,
)
from phiz.lab.accuracy.datasets import Dataset
from phiz.lab.accuracy.jitter import Jitter, Shifts, encode_bmp, measure_face_jitter, shift_image
from phiz.lab.accuracy.labels import LabelledImage
from phiz.lab.accuracy.predictions import Prediction, predict_faces
from phiz.options import OVERLAPS, Overlap
from phiz.timings import Stopwatch

T = TypeVar("T")

# A curve of precision needs the weak detections too. Where weak ones decide what else is tried
# (auto), or cost much (mtcnn), the model's own limit is where the curve ends.
CURVE_MIN_SCORES: Final[Mapping[str, float]] = {"front": 0.05, "back": 0.05, "full": 0.05}


class TrackProgress(Protocol):
    """Passes items on while it shows how far that is."""

    def __call__(self, items: Sequence[T], what: str) -> Iterable[T]:
        """Yield the items."""
        ...  # pragma: no cover


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """What is measured of a model.

    Attributes:
        model: Its name.
        overlap: What becomes of predictions that overlap.
        min_score: Score limit of everything; None for the model's own, but for the curve.
        shifts: (S, 2), of the pictures whose faces' jitter is measured.
        passes: How often BlazeFace looks.
    """

    model: str
    overlap: Overlap
    min_score: float | None
    shifts: Shifts
    passes: int = 1

    @property
    def serving_options(self) -> DetectOptions:
        """The options as the service would have them."""
        return self.build_options(self.overlap)

    @property
    def curve_options(self) -> DetectOptions:
        """The options for the curve of precision over recall."""
        own = CURVE_MIN_SCORES.get(self.model)
        limit = own if self.min_score is None else self.min_score
        return replace(self.serving_options, min_score=limit)

    def build_options(self, overlap: Overlap) -> DetectOptions:
        """Return the options as the service would have them, with another overlap."""
        return DetectOptions(min_score=self.min_score, overlap=overlap, passes=self.passes)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a model answered to a data set.

    Attributes:
        dataset: The photographs.
        run: The model and its options.
        predictions: Its answers.
        curve_predictions: Its answers from the score on where the curve ends.
        jitters: By overlap, of each labelled face with eyes.
    """

    dataset: Dataset
    run: EvaluationRun
    predictions: Sequence[Prediction]
    curve_predictions: Sequence[Prediction]
    jitters: Mapping[Overlap, Sequence[Jitter]]


def evaluate_model(
    engine: Engine, dataset: Dataset, run: EvaluationRun, track_progress: TrackProgress
) -> Evaluation:
    """Return a model's answers to a data set.

    Raises:
        OptionError: There is no such model; a photograph is not there or cannot be decoded.
    """
    photographs, title = dataset.photographs, f"{dataset.name}: {run.model}"
    predictions = list(
        predict_faces(engine, run.model, run.serving_options, track_progress(photographs, title))
    )
    curve_predictions = predictions
    if dataset.kind == "scenes" and run.curve_options != run.serving_options:
        curve_predictions = list(
            predict_faces(
                engine, run.model, run.curve_options, track_progress(photographs, f"{title}, curve")
            )
        )
    jitters: dict[Overlap, list[Jitter]] = {}
    if dataset.kind == "portraits" and len(run.shifts):
        jitters = {overlap: [] for overlap in OVERLAPS}
        for label in track_progress(photographs, f"{title}, jitter"):
            for overlap, found in measure_jitter(engine, run, label).items():
                jitters[overlap] += found
    return Evaluation(dataset, run, predictions, curve_predictions, jitters)


def measure_jitter(
    engine: Engine, run: EvaluationRun, label: LabelledImage
) -> dict[Overlap, list[Jitter]]:
    """Return by overlap the jitter of each face of a photograph whose eyes are labelled.

    Raises:
        OptionError: There is no such model.
        ImageError: The photograph cannot be decoded.
    """
    image = decode_image(label.path.read_bytes(), engine.limits)  # (H, W, 3)
    files = [
        encode_bmp(image),
        *(encode_bmp(shift_image(image, x, y)) for x, y in run.shifts.tolist()),
    ]
    jitters = {}
    for overlap in OVERLAPS:
        options = run.build_options(overlap)
        first, *others = (_detect_faces(engine, file, run.model, options) for file in files)
        moved = list(zip(others, run.shifts, strict=True))
        jitters[overlap] = [
            measure_face_jitter(label.faces[place], _measure_iod(label, place), first, moved)
            for place in find_faces_with_points(label)
        ]
    return jitters


def _detect_faces(
    engine: Engine, image_bytes: bytes, model: str, options: DetectOptions
) -> Sequence[Face]:
    return engine.detect(image_bytes, model, options, Stopwatch()).faces


def _measure_iod(label: LabelledImage, place: int) -> float:
    return measure_eye_distance(label.landmarks[place, : len(ALIGNED_LANDMARKS)])
