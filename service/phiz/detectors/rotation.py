"""Detection in images that lie on their side or upside down.

The networks find upright faces. If an image has no clear upright face, it is turned in quarter
turns, and the orientation with the best upright faces wins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from phiz.detectors.detector import Detector
from phiz.detectors.quality import compute_roll
from phiz.detectors.router import FIRST_MODEL, Router
from phiz.faces import Detections, DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.image.orientation import UPRIGHT_EXIF, to_stored_points
from phiz.timings import Stopwatch

# Exif orientations for a quarter turn right, one left, and a half turn.
ROTATION_EXIFS = (6, 8, 3)
# An upright face with this score ends the search.
UPRIGHT_SURE_SCORE = 0.85
# The same for models that find turned faces too, and take them for upright ones. The cascade scores
# all of 56 upright portraits at 0.997 or more, and turned portraits at up to 0.988.
UPRIGHT_SURE_SCORES = {"mtcnn": 0.99, "yunet": 0.92, "centerface": 0.92}
# How the network of the first pass finds the orientation for the router. Small faces of groups
# count too, and the limit is below the default: the question is the orientation, not the face.
ORIENTATION_INPUT_SIZE = 640
ORIENTATION_MIN_SCORE = 0.5
# A sure face counts far more than several doubtful ones, and several sure ones more than one.
SCORE_EXPONENT = 8
# Another orientation than the given one has to be so much better.
MIN_GAIN = 1.1
# Maximum roll of an upright face, in degrees. Beyond it another orientation is nearer.
MAX_UPRIGHT_ROLL_DEG = 45.0


@dataclass(frozen=True, slots=True)
class Orientation:
    """An orientation of an image, and the detections in it.

    Attributes:
        exif_value: Its Exif orientation.
        image: The turned image.
        detections: In pixels of the turned image.
    """

    exif_value: int
    image: LazyImage
    detections: Detections


def get_orientation_detector(detector: Detector) -> Detector:
    """Return the detector that finds the orientation: for the router a first pass, else itself."""
    return detector.networks[FIRST_MODEL] if isinstance(detector, Router) else detector


def detect_with_rotation(
    detector: Detector,
    orientation_detector: Detector,
    image: LazyImage,
    options: DetectOptions,
    stopwatch: Stopwatch,
) -> Detections:
    """Return the faces of an image in the orientation that shows them upright.

    They are in pixels of the image as given. Landmarks keep their names in an upright face. The
    image as given wins a tie.

    Args:
        detector: The detector of the answer.
        orientation_detector: Finds the orientation. If it finds no upright face, ``detector``
            finds the orientation.
        image: The image as given.
        options: The options of the caller.
        stopwatch: The stopwatch of the caller.

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
    """Return the orientation that shows faces upright, with the detections in it."""
    if orientation_detector is not detector:
        orientation_options = DetectOptions(
            ORIENTATION_MIN_SCORE,
            input_size=ORIENTATION_INPUT_SIZE,
            budget_ms=_halve_budget(options, stopwatch),
        )
        orientation = find_best_orientation(
            orientation_detector, image, orientation_options, stopwatch
        )
        if compute_upright_score(orientation.detections):
            found = detector.detect(orientation.image, options, stopwatch)
            return Orientation(orientation.exif_value, orientation.image, found)
    return find_best_orientation(detector, image, options, stopwatch)


def _halve_budget(options: DetectOptions, stopwatch: Stopwatch) -> float | None:
    """Return the budget of the orientation, which leaves half of the time for the answer."""
    if options.budget_ms is None:
        return None
    return max(1.0, (options.budget_ms + 1000 * stopwatch.measure_work_s()) / 2)


def find_best_orientation(
    detector: Detector, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch
) -> Orientation:
    """Return the orientation with the best upright faces. A clear face ends the search."""
    best = Orientation(UPRIGHT_EXIF, image, detector.detect(image, options, stopwatch))
    best_score = MIN_GAIN * compute_upright_score(best.detections)
    for exif_value in ROTATION_EXIFS:
        if has_sure_face(best.detections) or is_budget_spent(options, stopwatch):
            break
        rotated = image.rotate_to_upright(exif_value)
        stopwatch.lap("preprocess")
        found = detector.detect(rotated, options, stopwatch)
        score = compute_upright_score(found)
        if score > best_score:
            best, best_score = Orientation(exif_value, rotated, found), score
        stopwatch.lap("postprocess")
    return best


def has_sure_face(detections: Detections) -> bool:
    """Return whether a face is clearly upright."""
    return any(
        face.score >= UPRIGHT_SURE_SCORES.get(face.model, UPRIGHT_SURE_SCORE)
        for face in filter_upright_faces(detections)
    )


def is_budget_spent(options: DetectOptions, stopwatch: Stopwatch) -> bool:
    """Return whether the time budget is spent, if there is one."""
    return options.budget_ms is not None and 1000 * stopwatch.measure_work_s() >= options.budget_ms


def compute_upright_score(detections: Detections) -> float:
    """Return how much the upright faces speak for an orientation; 0 without any."""
    return sum(face.score**SCORE_EXPONENT for face in filter_upright_faces(detections))


def filter_upright_faces(detections: Detections) -> Iterator[Face]:
    """Yield the upright faces."""
    return (
        face
        for face in detections.faces
        if abs(compute_roll(face.landmarks)) <= MAX_UPRIGHT_ROLL_DEG
    )


def to_stored_face(face: Face, size_wh: tuple[int, int], orientation: int) -> Face:
    """Return a face of a turned image in pixels of the image as given.

    Args:
        face: The face in the turned image.
        size_wh: Size of the image as given.
        orientation: Exif orientation by which it was turned.
    """
    corners = np.array(face.box).reshape(2, 2)
    (x1, y1), (x2, y2) = np.sort(to_stored_points(corners, size_wh, orientation), axis=0).tolist()
    points = to_stored_points(
        np.array(list(face.landmarks.values())), size_wh, orientation
    )  # (K, 2)
    landmarks = {name: (x, y) for name, (x, y) in zip(face.landmarks, points.tolist(), strict=True)}
    return Face((x1, y1, x2, y2), face.score, landmarks, face.model)
