"""Bytes to faces: the one path that every shell (HTTP, command line) goes through."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from phiz.detectors import factory as detectors
from phiz.detectors.detector import Detector
from phiz.detectors.factory import AUTO
from phiz.detectors.quality import with_quality, with_roll
from phiz.detectors.rotation import compass_of, detect_upright
from phiz.detectors.router import Auto
from phiz.errors import OptionError
from phiz.faces import DetectOptions, Face, Step
from phiz.image.decode import open_picture
from phiz.image.lazy import Picture
from phiz.image.limits import Limits
from phiz.image.resample import Sampling
from phiz.models import catalog
from phiz.models.specs import Catalog
from phiz.runtime import Runtime
from phiz.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one picture.

    Attributes:
        model: As requested.
        width: Pixels of the upright picture.
        height: Pixels of the upright picture.
        faces: By falling score, in pixels of the upright picture.
        route: Which models ran and why, where the model had a choice.
    """

    model: str
    width: int
    height: int
    faces: tuple[Face, ...]
    route: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """Detectors by name and the limits on what they are given.

    It holds nothing of a request, so that any number of threads may use it at once.
    """

    detectors: Mapping[str, Detector]
    limits: Limits

    def expect_budgets(self) -> None:
        """Measure what a ``budget_ms`` is kept by, which takes a tenth of a second.

        Otherwise the first picture with one waits for that.
        """
        auto = self.detectors.get(AUTO)
        if isinstance(auto, Auto):
            auto.costs()

    def detect(
        self, data: bytes, model: str, options: DetectOptions, stopwatch: Stopwatch
    ) -> Result:
        """Return the faces of an encoded picture, in the calling thread.

        Raises:
            OptionError: There is no such model, or it takes no ``budget_ms``.
            ImageError: The bytes are not a picture that can be read within the limits.
        """
        detector = self.detectors.get(model)
        if detector is None:
            raise OptionError(f"model is {model!r}; it must be one of {', '.join(self.detectors)}")
        if options.budget_ms is not None and model != AUTO:
            raise OptionError(f"model is {model!r}; only {AUTO!r} takes budget_ms")
        picture = open_picture(data, self.limits)
        stopwatch.lap("decode")
        detect = detector.detect
        if options.rotate == "auto":
            detect = partial(detect_upright, detector, compass_of(detector))
        found = detect(picture, options, stopwatch)
        faces = described(found.faces, picture, options)
        stopwatch.lap("postprocess")
        return Result(model, picture.width, picture.height, faces, found.route)


def described(
    faces: tuple[Face, ...], picture: Picture, options: DetectOptions
) -> tuple[Face, ...]:
    """Return faces with what the options ask to be told of them."""
    if options.details == "quality":
        seen = picture.finest()
        return tuple(with_quality(face, seen) for face in faces)
    if options.rotate == "auto":
        return tuple(with_roll(face) for face in faces)
    return faces


def load(  # noqa: PLR0913  what an entry point chooses
    folder: Path,
    sampling: Sampling,
    limits: Limits,
    wanted: Collection[str] | None = None,
    *,
    runtime: Runtime | None = None,
    models: Catalog | None = None,
) -> Engine:
    """Return an engine with its detectors loaded and verified.

    Args:
        folder: Where the built models lie.
        sampling: How pictures are resized for BlazeFace.
        limits: On the pictures it will be given.
        wanted: Which detectors; None means all.
        runtime: What runs the networks; None means onnxruntime on the processor.
        models: What there is; None means the catalogue of this phiz.

    Raises:
        OptionError: One that is wanted does not exist.
        ModelError: A model is missing, or is not the one that the catalogue names.
    """
    known = catalog.load() if models is None else models
    return Engine(detectors.load(known, folder, sampling, wanted, runtime), limits)
