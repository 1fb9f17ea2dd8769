"""The engine: from image bytes to faces, for HTTP and the command line."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from phiz.detectors import factory as detectors
from phiz.detectors.anchor_free import AnchorFree
from phiz.detectors.detector import Detector
from phiz.detectors.pose import with_poses
from phiz.detectors.quality import with_quality, with_roll
from phiz.detectors.rotation import detect_with_rotation, get_orientation_detector
from phiz.detectors.router import Router
from phiz.errors import OptionError
from phiz.faces import DetectionResult, DetectOptions, Face
from phiz.image.decode import open_image
from phiz.image.lazy import LazyImage
from phiz.image.limits import DecodingLimits
from phiz.image.resample import Sampling
from phiz.models import catalog
from phiz.models.specs import BUDGETED_MODELS, Catalog
from phiz.options import DETECT_OPTIONS
from phiz.runtime import Runtime
from phiz.runtime.select import choose_precisions
from phiz.timings import Stopwatch

MAX_FACES: Final = DETECT_OPTIONS["max_faces"].maximum


@dataclass(frozen=True, slots=True)
class Engine:
    """Detectors by name, and the limits on images.

    The engine keeps no state of a request, so threads may share it.
    """

    detectors: Mapping[str, Detector]
    limits: DecodingLimits

    def measure_step_costs(self) -> None:
        """Measure the costs that a ``budget_ms`` needs, in a few tenths of a second.

        Otherwise the first image with a budget waits for it.
        """
        for detector in self.detectors.values():
            if isinstance(detector, Router):
                detector.get_costs()
            elif isinstance(detector, AnchorFree):
                detector.get_cost_s()

    def detect(
        self, image: bytes | LazyImage, model: str, options: DetectOptions, stopwatch: Stopwatch
    ) -> DetectionResult:
        """Return the faces of an image, encoded or open, in the calling thread.

        Raises:
            OptionError: The model does not exist, or has no ``budget_ms``.
            ImageError: The bytes are not a readable image within the limits.
        """
        detector = self.detectors.get(model)
        if detector is None:
            raise OptionError(f"model is {model!r}; it must be one of {', '.join(self.detectors)}")
        if options.budget_ms is not None and model not in BUDGETED_MODELS:
            names = ", ".join(BUDGETED_MODELS)
            raise OptionError(f"model is {model!r}; budget_ms is an option of {names}")
        if not isinstance(image, LazyImage):
            image = open_image(image, self.limits)
        stopwatch.lap("decode")
        detect = detector.detect
        if options.rotate == "auto":
            detect = partial(detect_with_rotation, detector, get_orientation_detector(detector))
        if options.order == "size":
            # The largest face may be the last by its score.
            every = replace(options, max_faces=MAX_FACES)
            detections = detect(image, every, stopwatch)
            faces = sort_by_size(detections.faces)[: options.max_faces]
        else:
            detections = detect(image, options, stopwatch)
            faces = detections.faces
        if options.details != "none" or options.rotate == "auto":
            faces = add_details(faces, image, options)
            stopwatch.lap("postprocess")
        return DetectionResult(model, image.width, image.height, faces, detections.route)


def add_details(
    faces: tuple[Face, ...], image: LazyImage, options: DetectOptions
) -> tuple[Face, ...]:
    """Return faces with their roll, and with what else the options ask for."""
    if options.details in {"quality", "all"}:
        scaled = image.get_finest_scale()
        faces = tuple(with_quality(face, scaled) for face in faces)
    else:
        faces = tuple(with_roll(face) for face in faces)
    return with_poses(faces) if options.details in {"pose", "all"} else faces


def sort_by_size(faces: tuple[Face, ...]) -> tuple[Face, ...]:
    """Return faces by the area of their boxes, the largest first."""
    return tuple(sorted(faces, key=_compute_area, reverse=True))


def _compute_area(face: Face) -> float:
    x1, y1, x2, y2 = face.box
    return (x2 - x1) * (y2 - y1)


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
        folder: Folder of the built models.
        sampling: How images are resized for BlazeFace.
        limits: The limits on images.
        wanted: Names of the detectors; None means all.
        runtime: Runtime of the networks; None means onnxruntime on the processor.
        models: The catalogue; None means the catalogue of this phiz, in the precisions that are
            preferred on this processor. In the reference mode these are float32.

    Raises:
        OptionError: A wanted detector does not exist.
        ModelError: A model file is missing or differs from the catalogue.
    """
    if models is None:
        models = catalog.load_catalog()
        if sampling != "reference":
            networks = [spec for model in models.models for spec in model.networks]
            models = models.with_precisions(choose_precisions(networks))
    return Engine(detectors.load_detectors(models, folder, sampling, wanted, runtime), limits)
