"""Detection in pictures that lie on their side or stand on their head.

The networks know upright faces. Where a picture as given has none for sure, it is turned by
quarters, and the way that shows an upright face best is taken.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phiz.detectors.detector import Detector
from phiz.detectors.fusion import CASCADE
from phiz.detectors.quality import roll_of
from phiz.detectors.router import Auto
from phiz.faces import Detections, DetectOptions, Face
from phiz.image.lazy import Picture
from phiz.image.orientation import turned_back
from phiz.timings import Stopwatch

AS_GIVEN = 1  # Exif's name for a picture that is not turned
# Those for a quarter to the right, one to the left, and two.
TURNS = (6, 8, 3)
# A score of an upright face that ends the search.
SURE = 0.85
# The same for the cascade: of 56 portraits it scores all at 0.997 or more, and up to 0.988 where
# they lie on their side or stand on their head.
CASCADE_SURE = 0.99
# The router's look that tells which way is up. Its confidences do not: faces that stand on their
# head have up to 0.9997.
COMPASS = "front"
# What it scores at least, less than a face must by default: in most pictures that lie on their
# side it is the way that is asked for, not whether there is a face.
COMPASS_SCORE = 0.5
# Degrees of roll up to which a face counts as upright: from there on another way is nearer.
UPRIGHT = 45.0


@dataclass(frozen=True, slots=True)
class Way:
    """A way of turning a picture, and what was found in it.

    Attributes:
        orientation: Exif's name for it.
        picture: So turned.
        found: In pixels of the picture so turned.
    """

    orientation: int
    picture: Picture
    found: Detections


def compass_of(detector: Detector) -> Detector:
    """Return what tells which way is up: of the router one of its looks, else the detector."""
    return detector.glances[COMPASS] if isinstance(detector, Auto) else detector


def detect_upright(
    detector: Detector,
    compass: Detector,
    picture: Picture,
    options: DetectOptions,
    stopwatch: Stopwatch,
) -> Detections:
    """Return the faces of a picture from the way of turning it that shows them upright.

    They are in pixels of the picture as given; landmarks keep the names that they have in an
    upright face. Of ways that are equally good, the picture as given wins.

    Args:
        detector: Whose faces are answered.
        compass: What tells which way is up; where it sees no upright face, the detector does.
        picture: Perhaps turned.
        options: Of the caller.
        stopwatch: Of the caller.

    Raises:
        ImageError: The pixels cannot be decoded.
    """
    way = _found_way(detector, compass, picture, options, stopwatch)
    if way.orientation == AS_GIVEN:
        return way.found
    size_wh = picture.width, picture.height
    faces = tuple(face_back(face, size_wh, way.orientation) for face in way.found.faces)
    stopwatch.lap("postprocess")
    return Detections(faces, way.found.route)


def _found_way(
    detector: Detector,
    compass: Detector,
    picture: Picture,
    options: DetectOptions,
    stopwatch: Stopwatch,
) -> Way:
    """Return the way that shows faces upright, with what the detector finds in it."""
    if compass is not detector:
        plain = DetectOptions(COMPASS_SCORE, budget_ms=options.budget_ms)
        way = best_way(compass, picture, plain, stopwatch)
        if upright_score(way.found):
            found = detector.detect(way.picture, options, stopwatch)
            return Way(way.orientation, way.picture, found)
    return best_way(detector, picture, options, stopwatch)


def best_way(
    detector: Detector, picture: Picture, options: DetectOptions, stopwatch: Stopwatch
) -> Way:
    """Return the way with the best upright face; a face that is sure ends the search."""
    best = Way(AS_GIVEN, picture, detector.detect(picture, options, stopwatch))
    for orientation in TURNS:
        if is_sure(best.found) or is_spent(options, stopwatch):
            break
        turned = picture.turned(orientation)
        stopwatch.lap("preprocess")
        found = detector.detect(turned, options, stopwatch)
        if upright_score(found) > upright_score(best.found):
            best = Way(orientation, turned, found)
        stopwatch.lap("postprocess")
    return best


def is_sure(found: Detections) -> bool:
    """Return whether a face is upright beyond doubt."""
    return any(
        face.score >= (CASCADE_SURE if face.model == CASCADE else SURE)
        for face in upright_faces(found)
    )


def is_spent(options: DetectOptions, stopwatch: Stopwatch) -> bool:
    """Return whether the time is over that the caller gave, if there was a limit."""
    return options.budget_ms is not None and 1000 * stopwatch.worked_s() >= options.budget_ms


def upright_score(found: Detections) -> float:
    """Return the best score of a face that is upright, 0 without any."""
    return max((face.score for face in upright_faces(found)), default=0.0)


def upright_faces(found: Detections) -> Iterator[Face]:
    """Yield the faces that are upright."""
    return (face for face in found.faces if abs(roll_of(face.landmarks)) <= UPRIGHT)


def face_back(face: Face, size_wh: tuple[int, int], orientation: int) -> Face:
    """Return a face that was found in a turned picture, in pixels of the picture as given.

    Args:
        face: As found.
        size_wh: Of the picture as given.
        orientation: By which it was turned (Exif).
    """
    corners = np.array(face.box).reshape(2, 2)
    (x1, y1), (x2, y2) = np.sort(turned_back(corners, size_wh, orientation), axis=0).tolist()
    points = turned_back(np.array(list(face.landmarks.values())), size_wh, orientation)  # (K, 2)
    landmarks = {name: (x, y) for name, (x, y) in zip(face.landmarks, points.tolist(), strict=True)}
    return Face((x1, y1, x2, y2), face.score, landmarks, face.model)
