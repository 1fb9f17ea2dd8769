"""What facenet-pytorch and MediaPipe answer on three pictures, and what phiz answers.

``pictures/expected.json`` was written by the peers themselves, not by this project: it is
never regenerated from here.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phiz.boxes.geometry import box_iou
from phiz.detectors.blazeface import BLAZEFACE_LANDMARKS
from phiz.detectors.detector import Detector
from phiz.detectors.factory import list_model_names, load_detectors
from phiz.errors import ModelCorruptError, ModelNotBuiltError, OptionError
from phiz.faces import DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.image.resample import SAMPLINGS, Sampling
from phiz.models.catalog import load_catalog
from phiz.timings import Stopwatch
from tests.conftest import PICTURES

EXPECTED = json.loads((PICTURES / "expected.json").read_text())
Read = Callable[[str], LazyImage]
Load = Callable[[Sampling], dict[str, Detector]]

MTCNN_PX = 0.01  # the whole cascade against facenet-pytorch
FRONT_PX = 0.35  # BlazeFace end to end against MediaPipe
FRONT_SCORE = 1e-3
MEDIAPIPE_SCORE = 0.5  # its default limit


def detect(detector: Detector, image: LazyImage, **options: Any) -> tuple[Face, ...]:
    return detector.detect(image, DetectOptions(**options), Stopwatch()).faces


def matched(
    faces: tuple[Face, ...], expected: list[dict[str, Any]]
) -> list[tuple[Face, dict[str, Any]]]:
    """Pairs by the nearest box: equal scores may come in another order."""
    assert len(faces) == len(expected)
    boxes = np.array([face.box for face in faces])
    pairs = [
        (faces[np.abs(boxes - other["box"]).max(axis=1).argmin()], other) for other in expected
    ]
    assert len({id(face) for face, _ in pairs}) == len(faces)
    return pairs


@pytest.mark.parametrize("name", EXPECTED["mtcnn_facenet_pytorch"])
def test_mtcnn_answers_what_facenet_pytorch_answers(
    load_with: Load, read_image: Read, name: str
) -> None:
    image = read_image(name)
    faces = detect(load_with("reference")["mtcnn"], image)
    for face, expected in matched(faces, EXPECTED["mtcnn_facenet_pytorch"][name]):
        assert face.box == pytest.approx(expected["box"], abs=MTCNN_PX)
        assert face.score == pytest.approx(expected["score"], abs=1e-4)
        assert np.array(list(face.landmarks.values())) == pytest.approx(
            np.array(expected["landmarks"]), abs=MTCNN_PX
        )


@pytest.mark.parametrize("name", EXPECTED["mediapipe_short_range"])
def test_front_answers_what_mediapipe_answers(load_with: Load, read_image: Read, name: str) -> None:
    front = load_with("reference")["front"]
    faces = detect(front, read_image(name), min_score=MEDIAPIPE_SCORE)
    for face, expected in matched(faces, EXPECTED["mediapipe_short_range"][name]):
        assert face.box == pytest.approx(expected["box"], abs=FRONT_PX)
        assert face.score == pytest.approx(expected["score"], abs=FRONT_SCORE)
        assert list(face.landmarks) == list(BLAZEFACE_LANDMARKS)
        assert np.array(list(face.landmarks.values())) == pytest.approx(
            np.array(expected["keypoints"]), abs=FRONT_PX
        )


# MTCNN's answers stand for the truth: each model's faces must be among them.
TRUE_FACES = {
    name: [face["box"] for face in faces]
    for name, faces in EXPECTED["mtcnn_facenet_pytorch"].items()
}


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize(
    ("model", "name", "least"),
    [
        pytest.param("front", "selfie_360x640.png", 1, id="front: selfie"),
        pytest.param("back", "selfie_360x640.png", 1, id="back: selfie"),
        pytest.param("full", "selfie_360x640.png", 1, id="full: selfie"),
        pytest.param("auto", "selfie_360x640.png", 1, id="auto: selfie"),
        pytest.param("back", "group_640x480.png", 2, id="back: group"),
        pytest.param("full", "group_640x480.png", 2, id="full: group"),
        pytest.param("auto", "row_960x540.png", 1, id="auto: row"),
    ],
)
def test_each_model_finds_true_faces_in_every_sampling(
    load_with: Load, read_image: Read, sampling: Sampling, model: str, name: str, least: int
) -> None:
    image = read_image(name)
    faces = detect(load_with(sampling)[model], image)
    truth = np.array(TRUE_FACES[name], np.float32)
    assert len(faces) >= least
    for face in faces:
        assert box_iou(np.array(face.box, np.float32), truth).max() > 0.4
        left_eye, right_eye = face.landmarks["left_eye"], face.landmarks["right_eye"]
        assert left_eye[0] < right_eye[0], "left is the viewer's left"


@pytest.mark.parametrize("model", ["front", "back", "auto"])
@pytest.mark.parametrize("name", ["closeup_tight.png", "closeup_cut.png"])
def test_head_that_fills_the_image_is_one_face(
    load_with: Load, read_image: Read, model: str, name: str
) -> None:
    assert len(detect(load_with("half-pixel")[model], read_image(name))) == 1


@pytest.mark.parametrize("model", ["front", "back", "full", "mtcnn", "yunet", "centerface", "auto"])
def test_answers_hold_their_promises(load_with: Load, read_image: Read, model: str) -> None:
    image = read_image("group_640x480.png")
    faces = detect(load_with("half-pixel")[model], image, min_score=0.3)
    assert faces
    scores = [face.score for face in faces]
    assert scores == sorted(scores, reverse=True)
    assert all(0.3 <= score <= 1 for score in scores)
    for face in faces:
        x1, y1, x2, y2 = face.box
        assert 0 <= x1 < x2 <= image.width
        assert 0 <= y1 < y2 <= image.height
    assert detect(load_with("half-pixel")[model], image, min_score=0.3, max_faces=1) == faces[:1]


def test_min_face_starts_the_pyramid_of_mtcnn(load_with: Load, read_image: Read) -> None:
    image = read_image("row_960x540.png")
    mtcnn = load_with("half-pixel")["mtcnn"]
    assert len(detect(mtcnn, image)) == 6
    larger = detect(mtcnn, image, min_face=80)
    assert 0 < len(larger) < 6
    assert min(face.box[3] - face.box[1] for face in larger) > 40


def test_names_are_what_load_gives(load_with: Load) -> None:
    expected = ("front", "back", "full", "mtcnn", "yunet", "centerface", "auto")
    assert list_model_names(load_catalog()) == expected
    assert tuple(load_with("area")) == expected


def test_wanted_detectors_alone_are_loaded(models_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "front.onnx").write_bytes((models_folder / "front.onnx").read_bytes())
    assert list(load_detectors(load_catalog(), tmp_path, "half-pixel", ["front"])) == ["front"]
    with pytest.raises(ModelNotBuiltError, match=r"back\.onnx .* phiz models build"):
        load_detectors(load_catalog(), tmp_path, "half-pixel", ["back"])


def test_a_model_that_does_not_exist(models_folder: Path) -> None:
    with pytest.raises(OptionError, match=r"'side'; it must be one of front, back, full, mtcnn"):
        load_detectors(load_catalog(), models_folder, "half-pixel", ["side"])


def test_a_model_that_does_not_verify(models_folder: Path, tmp_path: Path) -> None:
    damaged = bytearray((models_folder / "front.onnx").read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "front.onnx").write_bytes(damaged)
    with pytest.raises(ModelCorruptError, match=r"front\.onnx"):
        load_detectors(load_catalog(), tmp_path, "half-pixel", ["front"])
