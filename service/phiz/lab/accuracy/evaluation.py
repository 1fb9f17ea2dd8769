"""A model's answers to a data set, from which the figures are computed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from phiz.engine import Engine
from phiz.faces import DetectOptions
from phiz.image.decode import decode_image
from phiz.lab.accuracy.alignment import find_faces_with_points, measure_eye_distance
from phiz.lab.accuracy.closeups import CROP_MARGINS, crop_to_face
from phiz.lab.accuracy.datasets import Dataset
from phiz.lab.accuracy.jitter import Jitter, Shifts, encode_bmp, measure_face_jitter, shift_image
from phiz.lab.accuracy.labels import LabelledImage
from phiz.lab.accuracy.predictions import Prediction, predict_faces
from phiz.options import OVERLAPS, Overlap
from phiz.timings import Stopwatch

# A curve of precision needs the weak detections too. The curves of auto, where weak ones decide
# on further passes, and of mtcnn, where they cost much, end at the model's own limit.
CURVE_MIN_SCORES: Final[Mapping[str, float]] = {"front": 0.05, "back": 0.05, "full": 0.05}


TrackProgress: TypeAlias = Callable[[Sequence[LabelledImage], str], Iterable[LabelledImage]]
"""Passes photographs on while it shows the progress of something."""


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """A model and the options of its measurement.

    Attributes:
        model: Its name.
        overlap: How overlapping predictions are merged.
        min_score: Score limit of everything; None for the model's own, but for the curve.
        shifts: (S, 2), of the pictures whose faces' jitter is measured.
        passes: Number of BlazeFace's passes.
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
    """A model's answers to a data set.

    Attributes:
        dataset: The photographs.
        run: The model and its options.
        predictions: Its answers.
        curve_predictions: Its answers down to the score at which the curve ends.
        jitters: By overlap, of each labelled face with eyes.
        close_ups: Answers to portraits cropped to the labelled face, by the margin of the crop.
    """

    dataset: Dataset
    run: EvaluationRun
    predictions: Sequence[Prediction]
    curve_predictions: Sequence[Prediction]
    jitters: Mapping[Overlap, Sequence[Jitter]]
    close_ups: Mapping[float, Sequence[Prediction]] = field(default_factory=dict)


def evaluate_model(
    engine: Engine, dataset: Dataset, run: EvaluationRun, track_progress: TrackProgress
) -> Evaluation:
    """Return a model's answers to a data set.

    Raises:
        OptionError: There is no such model; a photograph is not there or cannot be decoded.
    """
    photographs, title = dataset.photographs, f"{dataset.name}: {run.model}"

    def predict(options: DetectOptions, what: str) -> list[Prediction]:
        return list(predict_faces(engine, run.model, options, track_progress(photographs, what)))

    predictions = curve_predictions = predict(run.serving_options, title)
    if dataset.kind == "scenes" and run.curve_options != run.serving_options:
        curve_predictions = predict(run.curve_options, f"{title}, curve")
    jitters: dict[Overlap, list[Jitter]] = {}
    if dataset.kind == "portraits" and len(run.shifts):
        jitters = {overlap: [] for overlap in OVERLAPS}
        for label in track_progress(photographs, f"{title}, jitter"):
            for overlap, found in measure_jitter(engine, run, label).items():
                jitters[overlap] += found
    close_ups: dict[float, list[Prediction]] = {}
    if dataset.kind == "portraits":
        close_ups = {margin: [] for margin in CROP_MARGINS}
        for label in track_progress(photographs, f"{title}, close-ups"):
            for margin, prediction in predict_close_ups(engine, run, label):
                close_ups[margin].append(prediction)
    return Evaluation(dataset, run, predictions, curve_predictions, jitters, close_ups)


def predict_close_ups(
    engine: Engine, run: EvaluationRun, label: LabelledImage
) -> Iterator[tuple[float, Prediction]]:
    """Yield the margin and the answer of each crop of a portrait to its labelled face.

    Raises:
        OptionError: There is no such model.
        ImageError: The photograph cannot be decoded.
    """
    image = decode_image(label.path.read_bytes(), engine.limits)  # (H, W, 3)
    for margin in CROP_MARGINS:
        crop, box = crop_to_face(image, label.faces[0], margin)
        stopwatch = Stopwatch()
        result = engine.detect(encode_bmp(crop), run.model, run.serving_options, stopwatch)
        size_wh = result.width, result.height
        cropped = replace(label, faces=box[None])
        yield margin, Prediction(cropped, size_wh, result.faces, stopwatch.to_timings())


def measure_jitter(
    engine: Engine, run: EvaluationRun, label: LabelledImage
) -> dict[Overlap, list[Jitter]]:
    """Return by overlap the jitter of each face of a photograph whose eyes are labelled.

    Raises:
        OptionError: There is no such model.
        ImageError: The photograph cannot be decoded.
    """
    image = decode_image(label.path.read_bytes(), engine.limits)  # (H, W, 3)
    images = [image, *(shift_image(image, x, y) for x, y in run.shifts.tolist())]
    files = [encode_bmp(each) for each in images]
    jitters = {}
    for overlap in OVERLAPS:
        options = run.build_options(overlap)
        first, *others = (
            engine.detect(file, run.model, options, Stopwatch()).faces for file in files
        )
        moved = list(zip(others, run.shifts, strict=True))
        jitters[overlap] = [
            measure_face_jitter(
                label.faces[place], measure_eye_distance(label.landmarks[place]), first, moved
            )
            for place in find_faces_with_points(label)
        ]
    return jitters
