"""Detection in pictures that lie on their side or stand on their head.

The networks know upright faces. Where a picture as given has none for sure, it is turned by
quarters, and the way that shows an upright face best is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phiz.detectors.detector import Detector
from phiz.detectors.fusion import CASCADE_MODEL
from phiz.detectors.quality import compute_roll
from phiz.detectors.router import Router
from phiz.faces import Detections, DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.image.orientation import to_stored_points
from phiz.timings import Stopwatch

UPRIGHT_EXIF = 1  # Exif's name for a picture that is not turned
# Those for a quarter to the right, one to the left, and two.
ROTATION_EXIFS = (6, 8, 3)
# A score of an upright face that ends the search.
UPRIGHT_SURE_SCORE = 0.85
# The same for the cascade: of 56 portraits it scores all at 0.997 or more, and up to 0.988 where
# they lie on their side or stand on their head.
CASCADE_SURE_SCORE = 0.99
# The router's look that tells which way is up. Its confidences do not: faces that stand on their
# head have up to 0.9997.
ORIENTATION_MODEL = "front"
# What it scores at least, less than a face must by default: in most pictures that lie on their
# side it is the way that is asked for, not whether there is a face.
ORIENTATION_MIN_SCORE = 0.5
# Degrees of roll up to which a face counts as upright: from there on another way is nearer.
MAX_UPRIGHT_ROLL_DEG = 45.0


@dataclass(frozen=True, slots=True)
class Orientation:
    """A way of turning a picture, and what was found in it.

    Attributes:
        exif_value: Exif's name for it.
        image: So turned.
        detections: In pixels of the picture so turned.
    """

    exif_value: int
    image: LazyImage
    detections: Detections


def get_orientation_detector(detector: Detector) -> Detector:
    """Return what tells which way is up: of the router one of its looks, else the detector."""
    return detector.first_pass[ORIENTATION_MODEL] if isinstance(detector, Router) else detector


def detect_with_rotation(
    detector: Detector,
    orientation_detector: Detector,
    image: LazyImage,
    options: DetectOptions,
    stopwatch: Stopwatch,
) -> Detections:
    """Return the faces of a picture from the way of turning it that shows them upright.

    They are in pixels of the picture as given; landmarks keep the names that they have in an
    upright face. Of ways that are equally good, the picture as given wins.

    Args:
        detector: Whose faces are answered.
        orientation_detector: Finds the orientation; where it sees no upright face, the detector
            does.
        image: Perhaps turned.
        options: Of the caller.
        stopwatch: Of the caller.

    Raises:
        ImageError: The pixels cannot be decoded.
    """
    orientation = _find_orientation(detector, orientation_detector, image, options, stopwatch)
    if orientation.exif_value == UPRIGHT_EXIF:
        return orientation.detections
    size_wh = image.width, image.height
    faces = tuple(
        to_stored_face(face, size_wh, orientation.exif_value)
        for face in orientation.detections.faces
    )
    stopwatch.lap("postprocess")
    return Detections(faces, orientation.detections.route)


def _find_orientation(
    detector: Detector,
    orientation_detector: Detector,
    image: LazyImage,
    options: DetectOptions,
    stopwatch: Stopwatch,
) -> Orientation:
    """Return the way that shows faces upright, with what the detector finds in it."""
    if orientation_detector is not detector:
        orientation_options = DetectOptions(ORIENTATION_MIN_SCORE, budget_ms=options.budget_ms)
        orientation = find_best_orientation(
            orientation_detector, image, orientation_options, stopwatch
        )
        if get_upright_score(orientation.detections):
            found = detector.detect(orientation.image, options, stopwatch)
            return Orientation(orientation.exif_value, orientation.image, found)
    return find_best_orientation(detector, image, options, stopwatch)


def find_best_orientation(
    detector: Detector, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch
) -> Orientation:
    """Return the way with the best upright face; a face that is sure ends the search."""
    best = Orientation(UPRIGHT_EXIF, image, detector.detect(image, options, stopwatch))
    for exif_value in ROTATION_EXIFS:
        if has_sure_face(best.detections) or is_budget_spent(options, stopwatch):
            break
        rotated = image.rotate_to_upright(exif_value)
        stopwatch.lap("preprocess")
        found = detector.detect(rotated, options, stopwatch)
        if get_upright_score(found) > get_upright_score(best.detections):
            best = Orientation(exif_value, rotated, found)
        stopwatch.lap("postprocess")
    return best


def has_sure_face(detections: Detections) -> bool:
    """Return whether a face is upright beyond doubt."""
    return any(
        face.score >= (CASCADE_SURE_SCORE if face.model == CASCADE_MODEL else UPRIGHT_SURE_SCORE)
        for face in filter_upright_faces(detections)
    )


def is_budget_spent(options: DetectOptions, stopwatch: Stopwatch) -> bool:
    """Return whether the time is over that the caller gave, if there was a limit."""
    return options.budget_ms is not None and 1000 * stopwatch.measure_work_s() >= options.budget_ms


def get_upright_score(detections: Detections) -> float:
    """Return the best score of a face that is upright, 0 without any."""
    return max((face.score for face in filter_upright_faces(detections)), default=0.0)


def filter_upright_faces(detections: Detections) -> Iterator[Face]:
    """Yield the faces that are upright."""
    return (
        face
        for face in detections.faces
        if abs(compute_roll(face.landmarks)) <= MAX_UPRIGHT_ROLL_DEG
    )


def to_stored_face(face: Face, size_wh: tuple[int, int], orientation: int) -> Face:
    """Return a face that was found in a turned picture, in pixels of the picture as given.

    Args:
        face: As found.
        size_wh: Of the picture as given.
        orientation: By which it was turned (Exif).
    """
    corners = np.array(face.box).reshape(2, 2)
    (x1, y1), (x2, y2) = np.sort(to_stored_points(corners, size_wh, orientation), axis=0).tolist()
    points = to_stored_points(
        np.array(list(face.landmarks.values())), size_wh, orientation
    )  # (K, 2)
    landmarks = {name: (x, y) for name, (x, y) in zip(face.landmarks, points.tolist(), strict=True)}
    return Face((x1, y1, x2, y2), face.score, landmarks, face.model)
