"""The types of detection and classification: arrays, options, faces and answers.

Boxes are ``xyxy``, pixels of the upright source image, half-open: a box from 10 to 14
is 4 wide and covers the pixels 10, 11, 12 and 13. The origin is the outer corner of the
first pixel. Left and right are the viewer's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from phiz.models.specs import Precision
from phiz.options import DETECT_OPTIONS, Details, Order, Overlap, Rotate
from phiz.timings import NO_TIMINGS, Timings

RgbImage: TypeAlias = NDArray[np.uint8]
"""(H, W, 3), RGB, upright."""
Boxes: TypeAlias = NDArray[np.float32]
"""(N, 4), x1 y1 x2 y2, pixels."""
Scores: TypeAlias = NDArray[np.float32]
"""(N,), 0 to 1."""
Keypoints: TypeAlias = NDArray[np.float32]
"""(N, K, 2), x y, pixels."""
Indices: TypeAlias = NDArray[np.intp]
"""(N,), indices into an array."""

RouteReason: TypeAlias = Literal[
    "first_pass",
    "fits_budget",
    "budget_spent",
    "close_up",
    "not_close_up",
    "second_opinion",
    "more_faces_expected",
    "too_few_expected",
    "no_time_left",
]
"""Why the router ran a step or skipped it: a stable name for programs."""
ROUTE_REASONS: tuple[RouteReason, ...] = get_args(RouteReason)

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """The options of one call; ``phiz.options`` describes them.

    Raises:
        OptionError: A value is out of range.
    """

    min_score: float | None = DETECT_OPTIONS["min_score"].default
    min_face: float | None = DETECT_OPTIONS["min_face"].default
    max_faces: int = DETECT_OPTIONS["max_faces"].default
    order: Order = DETECT_OPTIONS["order"].default
    overlap: Overlap = DETECT_OPTIONS["overlap"].default
    input_size: int | None = DETECT_OPTIONS["input_size"].default
    passes: int = DETECT_OPTIONS["passes"].default
    rotate: Rotate = DETECT_OPTIONS["rotate"].default
    details: Details = DETECT_OPTIONS["details"].default
    budget_ms: float | None = DETECT_OPTIONS["budget_ms"].default

    def __reduce__(self) -> tuple[type["DetectOptions"], tuple[object, ...]]:
        # Each request is pickled. The dataclass's own way takes several times as long.
        return DetectOptions, tuple(getattr(self, name) for name in self.__slots__)

    def __post_init__(self) -> None:
        for name in self.__slots__:
            DETECT_OPTIONS[name].check(name, getattr(self, name))


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of a face, measured by ``phiz.detectors.quality``.

    Attributes:
        eye_distance: Distance between the eyes, pixels of the upright source image.
        frontalness: 1 from the front, 0 from the side.
        sharpness: Detail relative to contrast: 0 without any, about 0.5 in a sharp image.
    """

    eye_distance: float
    frontalness: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Pose:
    """The pose of a head, measured by ``phiz.detectors.pose``.

    Attributes:
        yaw: Degrees to the right of the image, -90 to 90.
        pitch: Degrees upwards, -90 to 90.
        roll: Degrees clockwise, -180 to 180.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True)
class Face:
    """One face.

    Attributes:
        box: x1, y1, x2, y2, pixels of the upright source image, half-open, clipped to it.
        score: Score of the model, 0 to 1.
        landmarks: Name to x, y in the same frame; not clipped.
        model: The model that found the face.
        roll: Roll of the head, degrees clockwise, -180 to 180; None if not requested.
        quality: None if not requested.
        pose: None if not requested.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: Mapping[str, Point]
    model: str
    roll: float | None = None
    quality: Quality | None = None
    pose: Pose | None = None


@dataclass(frozen=True, slots=True)
class RoutingStep:
    """One step of the router.

    Attributes:
        model: The model that ran or was skipped.
        faces: Number of faces that passed the caller's limits after this step; 0 if skipped.
        reason: Why the step ran or was skipped, as a stable name.
        why: The same as a sentence, with its numbers.
        ran: False for a skipped step.
    """

    model: str
    faces: int
    reason: RouteReason
    why: str
    ran: bool = True


@dataclass(frozen=True, slots=True)
class Detections:
    """The result of a detector: faces by falling score, and the route of the router."""

    faces: tuple[Face, ...]
    route: tuple[RoutingStep, ...] = ()


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """The answer to one image.

    Attributes:
        model: The requested model.
        width: Pixels of the upright image.
        height: Pixels of the upright image.
        faces: Faces by falling score or size, in pixels of the upright image.
        route: The steps of the router; empty for other models.
        timings: The time of each stage; empty inside of an engine. Results that differ in nothing
            else are equal.
    """

    model: str
    width: int
    height: int
    faces: tuple[Face, ...]
    route: tuple[RoutingStep, ...] = ()
    timings: Timings = field(default=NO_TIMINGS, compare=False)


@dataclass(frozen=True, slots=True)
class ScoredClass:
    """A class with its probability.

    Attributes:
        index: 0 to 999.
        label: English name.
        score: 0 to 1; the scores of all classes add up to 1.
    """

    index: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The answer to one image.

    Attributes:
        model: The requested model.
        precision: Precision of the network.
        classes: Classes by falling score.
        timings: As in a ``DetectionResult``.
    """

    model: str
    precision: Precision
    classes: tuple[ScoredClass, ...]
    timings: Timings = field(default=NO_TIMINGS, compare=False)


def build_faces(
    boxes: Boxes, scores: Scores, keypoints: Keypoints, names: Sequence[str], model: str
) -> tuple[Face, ...]:
    """Return boxes (N, 4), scores (N,) and keypoints (N, K, 2) with K names as N faces."""
    return tuple(
        Face(
            tuple(box),
            score,
            {name: (x, y) for name, (x, y) in zip(names, points, strict=True)},
            model,
        )
        for box, score, points in zip(
            boxes.tolist(), scores.tolist(), keypoints.tolist(), strict=True
        )
    )
