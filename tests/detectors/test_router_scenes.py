"""What ``auto`` answers in scenes that detectors often get wrong."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from phiz.boxes.geometry import box_area, box_iou, compute_intersections
from phiz.detectors.detector import Detector
from phiz.detectors.rotation import detect_with_rotation, get_orientation_detector
from phiz.faces import Detections, DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
from phiz.timings import Stopwatch
from tests.conftest import PICTURES
from tests.detectors.test_goldens import EXPECTED

Picture = Pillow.Image
GREY = (128, 128, 128)
SELFIE_BOX = (107, 176, 227, 336)
HEAD_BOX = (60, 120, 270, 400)
HEAD_FACE_PX = 120


@pytest.fixture(scope="module")
def auto(load_with: Callable[[Sampling], dict[str, Detector]]) -> Detector:
    return load_with("half-pixel")["auto"]


def open_picture(name: str) -> Picture:
    return Pillow.open(PICTURES / name).convert("RGB")


def detect(detector: Detector, picture: Picture, **options: Any) -> tuple[Face, ...]:
    image = LazyImage.from_array(np.asarray(picture))
    return detector.detect(image, DetectOptions(**options), Stopwatch()).faces


def detect_in_any_orientation(detector: Detector, picture: Picture) -> Detections:
    image = LazyImage.from_array(np.asarray(picture))
    compass = get_orientation_detector(detector)
    return detect_with_rotation(detector, compass, image, DetectOptions(), Stopwatch())


def draw_background(width: int, height: int) -> Picture:
    """Return soft colours, in which there is nothing to detect."""
    colours = np.random.default_rng(0).integers(60, 190, (6, 8, 3), np.uint8)
    return Pillow.fromarray(colours).resize((width, height), Pillow.Resampling.BICUBIC)


def draw_lone_face(side_px: int) -> Picture:
    scene = draw_background(640, 480)
    head = open_picture("selfie_360x640.png").crop(HEAD_BOX)
    factor = side_px / HEAD_FACE_PX
    size = round(factor * head.width), round(factor * head.height)
    scene.paste(head.resize(size, Pillow.Resampling.BOX), (400, 200))
    return scene


def draw_texture(width: int, height: int) -> Picture:
    grains = np.random.default_rng(1).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    return Pillow.fromarray(grains).resize((width, height), Pillow.Resampling.BILINEAR)


def test_landmarks_of_a_portrait_are_those_of_the_output_network(auto: Detector) -> None:
    (face,) = detect(auto, open_picture("selfie_360x640.png"))
    (expected,) = EXPECTED["mtcnn_facenet_pytorch"]["selfie_360x640.png"]
    points = np.array([face.landmarks[name] for name in ("left_eye", "right_eye", "nose")])
    truth = np.array(expected["landmarks"])[:3]
    eye_distance = np.linalg.norm(truth[1] - truth[0])
    assert np.linalg.norm(points - truth, axis=1).mean() < 0.03 * eye_distance
    assert box_iou(np.array(face.box), np.array([expected["box"]])) > 0.8


@pytest.mark.parametrize("margin_px", [-8, -4, 0, 6, 12])
@pytest.mark.parametrize("enlargement", [1, 4])
def test_a_head_that_fills_the_picture_is_one_face(
    auto: Detector, margin_px: int, enlargement: int
) -> None:
    x1, y1, x2, y2 = SELFIE_BOX
    box = x1 - margin_px, y1 - margin_px, x2 + margin_px, y2 + margin_px
    head = open_picture("selfie_360x640.png").crop(box)
    head = head.resize((enlargement * head.width, enlargement * head.height))
    assert len(detect(auto, head)) == 1


@pytest.mark.parametrize("name", ["selfie_360x640.png", "group_640x480.png", "closeup_tight.png"])
def test_no_face_is_inside_another(auto: Detector, name: str) -> None:
    boxes = np.array([face.box for face in detect(auto, open_picture(name), min_score=0.1)])
    for first, second in combinations(boxes, 2):
        pair = np.stack([first, second])
        assert compute_intersections(first, second[None]) < 0.5 * box_area(pair).min()


def test_a_large_portrait_before_texture_is_one_face(auto: Detector) -> None:
    scene = draw_texture(1280, 960)
    scene.paste(open_picture("selfie_360x640.png").resize((540, 960)), (400, 0))
    (face,) = detect(auto, scene)
    assert face.score > 0.9


@pytest.mark.parametrize("side_px", [12, 16, 20, 28])
def test_a_small_face_alone_is_found(auto: Detector, side_px: int) -> None:
    (face,) = detect(auto, draw_lone_face(side_px))
    x1, y1, x2, y2 = face.box
    assert 0.5 * side_px < x2 - x1 < 2 * side_px
    assert 400 <= x1 < x2 <= 425 + side_px
    assert 200 <= y1 < y2 <= 225 + 2 * side_px


@pytest.mark.parametrize(
    ("name", "count"), [("group_640x480.png", 4), ("row_960x540.png", 6), ("selfie_360x640.png", 1)]
)
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_orientation_of_a_group_is_found(
    auto: Detector, name: str, count: int, degrees: int
) -> None:
    turned = open_picture(name).rotate(degrees, expand=True)
    faces = detect_in_any_orientation(auto, turned).faces
    assert len(faces) == count
    if not degrees:
        assert faces == detect(auto, turned)


def _cover_lower_half(picture: Picture) -> Picture:
    head = picture.crop(HEAD_BOX)
    head.paste((200, 205, 210), (0, 140, *head.size))
    return head.resize((3 * head.width, 3 * head.height))


DAMAGED = {
    "covered": (_cover_lower_half(open_picture("selfie_360x640.png")), 1),
    "turned": (
        open_picture("selfie_360x640.png").rotate(
            135, Pillow.Resampling.BICUBIC, expand=True, fillcolor=GREY
        ),
        1,
    ),
    "cut-below-the-eyes": (open_picture("selfie_360x640.png").crop((0, 246, 360, 640)), 1),
    "cut-at-the-eyes": (open_picture("selfie_360x640.png").crop((0, 236, 360, 640)), 1),
    "small": (open_picture("group_640x480.png").resize((160, 120), Pillow.Resampling.BOX), 3),
    "dark": (open_picture("group_640x480.png").point(lambda value: value // 8), 4),
    "grey": (open_picture("row_960x540.png").convert("L").convert("RGB"), 6),
}


@pytest.mark.parametrize(("picture", "count"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_picture_has_its_faces(auto: Detector, picture: Picture, count: int) -> None:
    assert len(detect(auto, picture)) == count
