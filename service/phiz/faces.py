"""What goes in and what comes out of a detector: arrays, options, faces.

Boxes are ``xyxy``, pixels of the upright source picture, half-open: a box from 10 to 14
is 4 wide and covers the pixels 10, 11, 12 and 13. The origin is the outer corner of the
first pixel. Left and right are the viewer's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from phiz.errors import OptionError

RgbImage: TypeAlias = NDArray[np.uint8]
"""(H, W, 3), RGB, upright."""
Boxes: TypeAlias = NDArray[np.float32]
"""(N, 4), x1 y1 x2 y2, pixels."""
Scores: TypeAlias = NDArray[np.float32]
"""(N,), 0 to 1."""
Keypoints: TypeAlias = NDArray[np.float32]
"""(N, K, 2), x y, pixels."""
Indices: TypeAlias = NDArray[np.intp]
"""(N,), places in an array."""

Overlap: TypeAlias = Literal["blend", "nms"]
OVERLAPS: tuple[Overlap, ...] = get_args(Overlap)
Rotate: TypeAlias = Literal["none", "auto"]
ROTATES: tuple[Rotate, ...] = get_args(Rotate)
Details: TypeAlias = Literal["none", "quality"]
DETAILS: tuple[Details, ...] = get_args(Details)
MAX_FACES_LIMIT = 10_000
MAX_PASSES = 2
MIN_FACE_LIMIT = 65_535  # pixels; no picture that can be read is as large both ways
BUDGET_LIMIT_MS = 60_000

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """What one call may choose; None means the model's own default.

    Attributes:
        min_score: Faces that score less are left out, 0 to 1.
        min_face: Shorter side of the smallest box, pixels of the source picture, 1 to 65535.
        max_faces: The best so many are answered, 1 to 10000.
        overlap: What becomes of predictions that overlap: their weighted mean (``blend``), or the
            best alone (``nms``).
        passes: How often BlazeFace looks at the picture, 1 or 2: a second time half a cell of
            its anchors further, which steadies the answer.
        rotate: Whether the picture is turned by quarters where it shows no upright face
            (``auto``); faces then have their roll.
        details: What is told of each face beside where it is: ``quality`` includes its roll.
        budget_ms: Time that detection may take, decoding included, 1 to 60000; the router
            alone takes it.

    Raises:
        OptionError: A value is out of its range.
    """

    min_score: float | None = None
    min_face: float | None = None
    max_faces: int = 1000
    overlap: Overlap = "blend"
    passes: int = 1
    rotate: Rotate = "none"
    details: Details = "none"
    budget_ms: float | None = None

    def __reduce__(self) -> tuple[type["DetectOptions"], tuple[object, ...]]:
        # Each request is pickled; what dataclasses do for that takes several times as long.
        return DetectOptions, tuple(getattr(self, name) for name in self.__slots__)

    def __post_init__(self) -> None:
        # Written so that NaN fails too.
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise OptionError(f"min_score is {self.min_score:g}; it must be from 0 to 1")
        if self.min_face is not None and not 1 <= self.min_face <= MIN_FACE_LIMIT:
            raise OptionError(
                f"min_face is {self.min_face:g} pixels; it must be from 1 to {MIN_FACE_LIMIT}"
            )
        if not 1 <= self.max_faces <= MAX_FACES_LIMIT:
            raise OptionError(
                f"max_faces is {self.max_faces}; it must be from 1 to {MAX_FACES_LIMIT}"
            )
        if self.budget_ms is not None and not 1 <= self.budget_ms <= BUDGET_LIMIT_MS:
            raise OptionError(
                f"budget_ms is {self.budget_ms:g}; it must be from 1 to {BUDGET_LIMIT_MS}"
            )
        for name, value, known in (
            ("overlap", self.overlap, OVERLAPS),
            ("rotate", self.rotate, ROTATES),
            ("details", self.details, DETAILS),
        ):
            if value not in known:
                raise OptionError(f"{name} is {value!r}; it must be one of {', '.join(known)}")
        if not 1 <= self.passes <= MAX_PASSES:
            raise OptionError(f"passes is {self.passes}; it must be from 1 to {MAX_PASSES}")


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a face shows; ``phiz.detectors.quality`` says how each is measured.

    Attributes:
        eye_distance: Between the eyes, pixels of the upright source picture.
        frontalness: 1 seen from the front, 0 from the side.
        sharpness: Detail against contrast, 0 without any, about 0.5 in a sharp picture.
    """

    eye_distance: float
    frontalness: float
    sharpness: float


@dataclass(frozen=True, slots=True)
class Face:
    """One face.

    Attributes:
        box: x1, y1, x2, y2, pixels of the upright source picture, half-open, clipped to it.
        score: 0 to 1, as the model gives it.
        landmarks: Name to x, y in the same frame; not clipped.
        model: The model that found it.
        roll: Of the head, degrees clockwise, -180 to 180; None where it was not asked for.
        quality: None where it was not asked for.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: Mapping[str, Point]
    model: str
    roll: float | None = None
    quality: Quality | None = None


@dataclass(frozen=True, slots=True)
class RoutingStep:
    """One step on the way to an answer.

    Attributes:
        model: That it ran, or would have.
        faces: How many of the answered faces it had given by then.
        why: Why it ran, or why not.
        ran: False for a step that was left out.
    """

    model: str
    faces: int
    why: str
    ran: bool = True


@dataclass(frozen=True, slots=True)
class Detections:
    """What a detector found: faces by falling score, and the route if it had a choice."""

    faces: tuple[Face, ...]
    route: tuple[RoutingStep, ...] = ()


def build_faces(
    boxes: Boxes, scores: Scores, keypoints: Keypoints, names: Sequence[str], model: str
) -> tuple[Face, ...]:
    """Return boxes (N, 4), scores (N,) and keypoints (N, K, 2) as N faces, in their order.

    Args:
        boxes: (N, 4).
        scores: (N,).
        keypoints: (N, K, 2).
        names: K names of landmarks.
        model: The model that found them.
    """
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
