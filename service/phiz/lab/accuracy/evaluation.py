"""What a model answers to a data set: all that is measured of it, before it is summed up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar

from phiz.engine import Engine
from phiz.faces import OVERLAPS, DetectOptions, Face, Overlap
from phiz.image.decode import decode
from phiz.lab.accuracy.alignment import POINTS, eye_distance, with_points
from phiz.lab.accuracy.datasets import Dataset
from phiz.lab.accuracy.jitter import Jitter, Shifts, encoded, face_jitter, shifted
from phiz.lab.accuracy.labels import Labelled
from phiz.lab.accuracy.predictions import Observation, observe
from phiz.timings import Stopwatch

T = TypeVar("T")

# A curve of precision needs the weak detections too. Where weak ones decide what else is tried
# (auto), or cost much (mtcnn), the model's own limit is where the curve ends.
CURVE_SCORES: Final[Mapping[str, float]] = {"front": 0.05, "back": 0.05, "full": 0.05}


class Track(Protocol):
    """Passes items on while it shows how far that is."""

    def __call__(self, items: Sequence[T], what: str) -> Iterable[T]:
        """Yield the items."""
        ...  # pragma: no cover


@dataclass(frozen=True, slots=True)
class Run:
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
    def served(self) -> DetectOptions:
        """The options as the service would have them."""
        return self.with_overlap(self.overlap)

    @property
    def curve(self) -> DetectOptions:
        """The options for the curve of precision over recall."""
        own = CURVE_SCORES.get(self.model)
        limit = own if self.min_score is None else self.min_score
        return replace(self.served, min_score=limit)

    def with_overlap(self, overlap: Overlap) -> DetectOptions:
        """Return the options as the service would have them, with another overlap."""
        return DetectOptions(min_score=self.min_score, overlap=overlap, passes=self.passes)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model answered to a data set.

    Attributes:
        dataset: The photographs.
        run: The model and its options.
        served: Its answers.
        curve: Its answers from the score on where the curve ends.
        jitters: By overlap, of each labelled face with eyes.
    """

    dataset: Dataset
    run: Run
    served: Sequence[Observation]
    curve: Sequence[Observation]
    jitters: Mapping[Overlap, Sequence[Jitter]]


def measure(engine: Engine, dataset: Dataset, run: Run, track: Track) -> Measured:
    """Return a model's answers to a data set.

    Raises:
        OptionError: There is no such model; a photograph is not there or cannot be decoded.
    """
    photographs, title = dataset.photographs, f"{dataset.name}: {run.model}"
    served = list(observe(engine, run.model, run.served, track(photographs, title)))
    curve = served
    if dataset.kind == "scenes" and run.curve != run.served:
        curve = list(observe(engine, run.model, run.curve, track(photographs, f"{title}, curve")))
    jitters: dict[Overlap, list[Jitter]] = {}
    if dataset.kind == "portraits" and len(run.shifts):
        jitters = {overlap: [] for overlap in OVERLAPS}
        for label in track(photographs, f"{title}, jitter"):
            for overlap, found in measure_jitter(engine, run, label).items():
                jitters[overlap] += found
    return Measured(dataset, run, served, curve, jitters)


def measure_jitter(engine: Engine, run: Run, label: Labelled) -> dict[Overlap, list[Jitter]]:
    """Return by overlap the jitter of each face of a photograph whose eyes are labelled.

    Raises:
        OptionError: There is no such model.
        ImageError: The photograph cannot be decoded.
    """
    image = decode(label.path.read_bytes(), engine.limits)  # (H, W, 3)
    files = [encoded(image), *(encoded(shifted(image, x, y)) for x, y in run.shifts.tolist())]
    jitters = {}
    for overlap in OVERLAPS:
        options = run.with_overlap(overlap)
        first, *others = (_faces(engine, file, run.model, options) for file in files)
        moved = list(zip(others, run.shifts, strict=True))
        jitters[overlap] = [
            face_jitter(label.faces[place], _iod(label, place), first, moved)
            for place in with_points(label)
        ]
    return jitters


def _faces(engine: Engine, file: bytes, model: str, options: DetectOptions) -> Sequence[Face]:
    return engine.detect(file, model, options, Stopwatch()).faces


def _iod(label: Labelled, place: int) -> float:
    return eye_distance(label.landmarks[place, : len(POINTS)])
