import math
from collections.abc import Callable

import numpy as np
import pytest

from phiz.boxes.geometry import box_iou
from phiz.detectors.detector import Detector
from phiz.detectors.rotation import (
    SCORE_EXPONENT,
    UPRIGHT_SURE_SCORE,
    compute_upright_score,
    detect_with_rotation,
    get_orientation_detector,
    has_sure_face,
)
from phiz.detectors.router import Router
from phiz.faces import Detections, DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.image.pixels import pack_pixels, unpack_rgb
from phiz.image.resample import Sampling
from phiz.timings import Stopwatch

Load = Callable[[Sampling], dict[str, Detector]]
OPTIONS = DetectOptions(max_faces=7)
WIDTH, HEIGHT = 30, 20
STANDING = {"left_eye": (2.0, 3.0), "right_eye": (6.0, 3.0), "nose": (4.0, 5.0)}
LYING = {"left_eye": (2.0, 3.0), "right_eye": (2.0, 7.0), "nose": (1.0, 5.0)}


def found(
    score: float, landmarks: dict[str, tuple[float, float]] = STANDING, model: str = "front"
) -> Detections:
    return Detections((Face((1, 2, 7, 8), score, landmarks, model),))


class Ways:
    """A detector with an answer for each way in which a marked picture may be turned."""

    def __init__(self, *answers: Detections, options: DetectOptions = OPTIONS) -> None:
        self.answers = answers
        self.options = options
        self.asked: list[int] = []

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        assert options == self.options
        stopwatch.lap("inference")
        pixels = image.decode_full()
        corners = (pixels[0, 0], pixels[0, -1], pixels[-1, -1], pixels[-1, 0])
        quarters = [bool(corner) for corner in corners].index(True)  # to the right
        self.asked.append(quarters)
        return self.answers[quarters]


def marked() -> LazyImage:
    """A picture whose upper left corner alone is not black."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[0, 0] = 255
    return LazyImage.from_array(image)


NOTHING = Detections(())


@pytest.mark.parametrize(
    ("answers", "asked", "box"),
    [
        pytest.param(
            (found(UPRIGHT_SURE_SCORE), NOTHING, NOTHING, NOTHING), [0], (1, 2, 7, 8), id="as given"
        ),
        pytest.param((NOTHING, found(0.9), found(0.9), NOTHING), [0, 1], (2, 13, 8, 19), id="90"),
        pytest.param((NOTHING, NOTHING, NOTHING, found(0.9)), [0, 1, 3], (22, 1, 28, 7), id="270"),
        pytest.param(
            (NOTHING, NOTHING, found(0.6), NOTHING), [0, 1, 3, 2], (23, 12, 29, 18), id="180"
        ),
        pytest.param(
            (found(0.95, model="mtcnn"), found(0.99, model="mtcnn"), NOTHING, NOTHING),
            [0, 1],
            (2, 13, 8, 19),
            id="the cascade is sure later",
        ),
        pytest.param(
            (found(0.9, LYING), found(0.6), NOTHING, NOTHING),
            [0, 1, 3, 2],
            (2, 13, 8, 19),
            id="a face that lies is not what is looked for",
        ),
        pytest.param(
            (found(0.6), found(0.6), found(0.6), found(0.6)),
            [0, 1, 3, 2],
            (1, 2, 7, 8),
            id="as given where nothing is better",
        ),
        pytest.param(
            (found(0.9, LYING), NOTHING, NOTHING, NOTHING),
            [0, 1, 3, 2],
            (1, 2, 7, 8),
            id="a face that lies is better than none",
        ),
    ],
)
def test_the_way_that_shows_an_upright_face_is_taken(
    answers: tuple[Detections, ...], asked: list[int], box: tuple[float, ...]
) -> None:
    detector = Ways(*answers)
    (face,) = detect_with_rotation(
        detector, get_orientation_detector(detector), marked(), OPTIONS, Stopwatch()
    ).faces
    assert detector.asked == asked
    assert face.box == box
    (x1, y1, x2, y2) = box
    assert all(x1 <= x <= x2 and y1 <= y <= y2 for x, y in face.landmarks.values())


def rolled(degrees: float) -> dict[str, tuple[float, float]]:
    """Landmarks of a face whose eyes are on a line at an angle, clockwise."""
    x, y = 2 * math.cos(math.radians(degrees)), 2 * math.sin(math.radians(degrees))
    return {"left_eye": (4 - x, 5 - y), "right_eye": (4 + x, 5 + y), "nose": (4.0, 5.0)}


@pytest.mark.parametrize(
    ("roll_deg", "is_upright"),
    [
        *((degrees, True) for degrees in (0, 23, -23, 30, -30, 44, -44)),
        *((degrees, False) for degrees in (46, -46, 60, -60, 89, -89, 91, 134, -134, 136, 180)),
    ],
)
def test_face_is_upright_up_to_a_roll_of_45_degrees(roll_deg: float, *, is_upright: bool) -> None:
    seen = found(0.9, rolled(roll_deg))
    assert compute_upright_score(seen) == pytest.approx(0.9**SCORE_EXPONENT if is_upright else 0)
    assert has_sure_face(seen) == is_upright


@pytest.mark.parametrize(
    ("roll_deg", "asked"), [(44, [0]), (-44, [0]), (46, [0, 1]), (-46, [0, 1])]
)
def test_other_ways_are_tried_where_one_of_them_is_nearer(
    roll_deg: float, asked: list[int]
) -> None:
    detector = Ways(found(0.9, rolled(roll_deg)), found(0.9), NOTHING, NOTHING)
    detect_with_rotation(
        detector, get_orientation_detector(detector), marked(), OPTIONS, Stopwatch()
    )
    assert detector.asked == asked


@pytest.mark.parametrize(
    ("model", "score", "is_sure"),
    [
        ("front", 0.84, False),
        ("front", 0.86, True),
        ("back", 0.84, False),
        ("back", 0.86, True),
        ("mtcnn", 0.988, False),
        ("mtcnn", 0.992, True),
        ("yunet", 0.91, False),
        ("yunet", 0.93, True),
    ],
)
def test_score_that_ends_the_search(model: str, score: float, *, is_sure: bool) -> None:
    assert has_sure_face(found(score, model=model)) == is_sure


def test_landmarks_keep_the_names_of_an_upright_face() -> None:
    detector = Ways(NOTHING, NOTHING, found(0.9), NOTHING)
    (face,) = detect_with_rotation(
        detector, get_orientation_detector(detector), marked(), OPTIONS, Stopwatch()
    ).faces
    assert face.landmarks == {"left_eye": (28, 17), "right_eye": (24, 17), "nose": (26, 15)}


def test_no_face_any_way_is_no_face() -> None:
    detector = Ways(NOTHING, NOTHING, NOTHING, NOTHING)
    assert (
        detect_with_rotation(
            detector, get_orientation_detector(detector), marked(), OPTIONS, Stopwatch()
        ).faces
        == ()
    )
    assert detector.asked == [0, 1, 3, 2]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("name", ["front", "back", "full", "mtcnn", "centerface", "auto"])
def test_a_turned_picture_has_the_same_face(
    load_with: Load, read_image: Callable[[str], LazyImage], name: str, quarters: int
) -> None:
    detector = load_with("half-pixel")[name]
    upright = read_image("selfie_360x640.png")
    (face,) = detector.detect(upright, DetectOptions(), Stopwatch()).faces
    turned = LazyImage.from_packed(
        pack_pixels(np.rot90(unpack_rgb(upright.decode_full()), -quarters))
    )
    (again,) = detect_with_rotation(
        detector, get_orientation_detector(detector), turned, DetectOptions(), Stopwatch()
    ).faces
    x1, y1, x2, y2 = face.box
    width, height = upright.width, upright.height
    expected = [
        (x1, y1, x2, y2),
        (height - y2, x1, height - y1, x2),
        (width - x2, height - y2, width - x1, height - y1),
        (y1, width - x2, y2, width - x1),
    ][quarters]
    assert box_iou(np.array(expected, np.float32), np.array([again.box], np.float32)) > 0.9


def test_the_compass_tells_the_way_and_the_detector_the_faces() -> None:
    orientation = Ways(
        NOTHING, found(0.9), NOTHING, NOTHING, options=DetectOptions(0.5, input_size=640)
    )
    detector = Ways(found(0.99), found(0.2, LYING), NOTHING, NOTHING)
    (face,) = detect_with_rotation(detector, orientation, marked(), OPTIONS, Stopwatch()).faces
    assert (orientation.asked, detector.asked) == ([0, 1], [1])
    assert (face.score, face.box) == (0.2, (2, 13, 8, 19))


def test_detector_tells_the_way_where_the_compass_sees_nothing() -> None:
    orientation = Ways(
        found(0.9, LYING), NOTHING, NOTHING, NOTHING, options=DetectOptions(0.5, input_size=640)
    )
    detector = Ways(NOTHING, NOTHING, NOTHING, found(0.9))
    (face,) = detect_with_rotation(detector, orientation, marked(), OPTIONS, Stopwatch()).faces
    assert (orientation.asked, detector.asked) == ([0, 1, 3, 2], [0, 1, 3])
    assert face.box == (22, 1, 28, 7)


def test_router_alone_has_a_compass(load_with: Load) -> None:
    loaded = load_with("half-pixel")
    auto = loaded["auto"]
    assert isinstance(auto, Router)
    assert get_orientation_detector(auto) is auto.networks["yunet"]
    assert get_orientation_detector(loaded["mtcnn"]) is loaded["mtcnn"]


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("name", ["group_640x480.png", "row_960x540.png"])
def test_the_router_finds_many_faces_in_a_turned_picture(
    load_with: Load, read_image: Callable[[str], LazyImage], name: str, quarters: int
) -> None:
    auto = load_with("half-pixel")["auto"]
    upright = read_image(name)
    expected = auto.detect(upright, DetectOptions(), Stopwatch()).faces
    turned = LazyImage.from_packed(
        pack_pixels(np.rot90(unpack_rgb(upright.decode_full()), -quarters))
    )
    again = detect_with_rotation(
        auto, get_orientation_detector(auto), turned, DetectOptions(), Stopwatch()
    ).faces
    assert len(again) == len(expected) > 3


class Lasting:
    """Finds nothing, and takes 15 ms for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.looks = 0

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        del image, options
        self.now += 0.015
        self.looks += 1
        stopwatch.lap("inference")
        return NOTHING


@pytest.mark.parametrize(("budget_ms", "looks"), [(10, 1), (20, 2), (None, 4)])
def test_no_way_is_tried_once_the_time_is_over(budget_ms: float | None, looks: int) -> None:
    detector = Lasting()
    stopwatch = Stopwatch(clock=lambda: detector.now)
    detect_with_rotation(
        detector,
        get_orientation_detector(detector),
        marked(),
        DetectOptions(budget_ms=budget_ms),
        stopwatch,
    )
    assert detector.looks == looks
