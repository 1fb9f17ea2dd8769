"""Bytes to faces: the one path that every shell (HTTP, command line) goes through."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from phiz.detectors import factory as detectors
from phiz.detectors.detector import Detector
from phiz.detectors.quality import with_quality, with_roll
from phiz.detectors.rotation import detect_with_rotation, get_orientation_detector
from phiz.detectors.router import Router
from phiz.errors import OptionError
from phiz.faces import DetectOptions, Face, RoutingStep
from phiz.image.decode import open_image
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.image.resample import Sampling
from phiz.models import catalog
from phiz.models.specs import AUTO, Catalog
from phiz.runtime import Runtime
from phiz.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class DetectionResult:
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
    route: tuple[RoutingStep, ...]


@dataclass(frozen=True, slots=True)
class Engine:
    """Detectors by name and the limits on what they are given.

    It holds nothing of a request, so that any number of threads may use it at once.
    """

    detectors: Mapping[str, Detector]
    limits: DecodingLimits

    def measure_step_costs(self) -> None:
        """Measure what a ``budget_ms`` is kept by, which takes a tenth of a second.

        Otherwise the first picture with one waits for that.
        """
        auto = self.detectors.get(AUTO)
        if isinstance(auto, Router):
            auto.get_costs()

    def detect(
        self, image_bytes: bytes, model: str, options: DetectOptions, stopwatch: Stopwatch
    ) -> DetectionResult:
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
        image = open_image(image_bytes, self.limits)
        stopwatch.lap("decode")
        detect = detector.detect
        if options.rotate == "auto":
            detect = partial(detect_with_rotation, detector, get_orientation_detector(detector))
        detections = detect(image, options, stopwatch)
        faces = add_details(detections.faces, image, options)
        stopwatch.lap("postprocess")
        return DetectionResult(model, image.width, image.height, faces, detections.route)


def add_details(
    faces: tuple[Face, ...], image: LazyImage, options: DetectOptions
) -> tuple[Face, ...]:
    """Return faces with what the options ask to be told of them."""
    if options.details == "quality":
        scaled = image.get_finest_scale()
        return tuple(with_quality(face, scaled) for face in faces)
    if options.rotate == "auto":
        return tuple(with_roll(face) for face in faces)
    return faces


def build_engine(  # noqa: PLR0913  what an entry point chooses
    folder: Path,
    sampling: Sampling,
    limits: DecodingLimits,
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
    known = catalog.load_catalog() if models is None else models
    return Engine(detectors.load_detectors(known, folder, sampling, wanted, runtime), limits)
