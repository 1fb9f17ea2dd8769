"""Detection in pictures that lie on their side or stand on their head.

The networks know upright faces. Where a picture as given has none for sure, it is turned by
quarters, and the way that shows an upright face best is taken.
"""

import numpy as np

from phiz.detectors.detector import Detector
from phiz.faces import Detections, DetectOptions, Face
from phiz.picture import Picture, turned_back
from phiz.quality import roll_of
from phiz.timings import Stopwatch

# Exif's names for a quarter to the right, one to the left, and two.
TURNS = (6, 8, 3)
# A score of an upright face that ends the search.
SURE = 0.85
# Degrees of roll up to which a face counts as upright: from there on another way is nearer.
UPRIGHT = 45.0


def detect_upright(
    detector: Detector, picture: Picture, options: DetectOptions, stopwatch: Stopwatch
) -> Detections:
    """Return the faces of a picture from the way of turning it that shows them upright.

    They are in pixels of the picture as given; landmarks keep the names that they have in an
    upright face. Of ways that are equally good, the picture as given wins.

    Raises:
        ImageError: The pixels cannot be decoded.
    """
    best = detector.detect(picture, options, stopwatch)
    evidence = upright_score(best)
    for orientation in TURNS:
        if evidence >= SURE:
            break
        turned = picture.turned(orientation)
        stopwatch.lap("preprocess")
        found = detector.detect(turned, options, stopwatch)
        score = upright_score(found)
        if score > evidence:
            size_wh = picture.width, picture.height
            faces = tuple(face_back(face, size_wh, orientation) for face in found.faces)
            best, evidence = Detections(faces, found.route), score
        stopwatch.lap("postprocess")
    return best


def upright_score(found: Detections) -> float:
    """Return the best score of a face that is upright, 0 without any."""
    upright = (face for face in found.faces if abs(roll_of(face.landmarks)) <= UPRIGHT)
    return max((face.score for face in upright), default=0.0)


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
