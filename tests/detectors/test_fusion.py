import numpy as np
import pytest

from phiz.detectors.fusion import (
    FirstPass,
    build_first_pass,
    calibrate_faces,
    count_expected_faces,
    fuse_faces,
    keep_single_faces,
)
from phiz.detectors.pyramid_search import NO_CANDIDATES, Candidates, merge_candidates
from phiz.faces import Face
from phiz.image.lazy import ScaledImage
from phiz.models import router_config

CONFIG = router_config.load_router_config()
SIZE_WH = (200, 100)
VIEW = ScaledImage(np.zeros((50, 100), np.uint32), 2, (-1, 0))
NOTHING = build_first_pass((), VIEW, SIZE_WH, CONFIG, "back")


def candidates(*boxes: tuple[float, float, float, float], onet: float = 0.99) -> Candidates:
    count = len(boxes)
    scores = np.full((count, 3), 0.95, np.float32)
    scores[:, 2] = onet
    keypoints = np.zeros((count, 5, 2), np.float32)
    return Candidates(np.array(boxes, np.float32).reshape(-1, 4), keypoints, scores)


def seen(*boxes: tuple[float, float, float, float], score: float = 0.9) -> FirstPass:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    faces = tuple(Face(box, score, {}, "back") for box in boxes)
    return FirstPass("back", SIZE_WH, faces, array, np.full(len(boxes), score, np.float32))


def test_a_glance_at_a_smaller_view_is_put_into_the_picture() -> None:
    face = Face((10, 20, 30, 40), 0.9, {"nose": (20, 30)}, "front")
    first_pass = build_first_pass([face], VIEW, SIZE_WH, CONFIG, "front")
    left, top, right, bottom = CONFIG.box_calibration["front"].edge_offsets
    expected = [19 + 40 * left, 40 + 40 * top, 59 + 40 * right, 80 + 40 * bottom]
    assert first_pass.boxes[0] == pytest.approx(expected, abs=1e-4)
    assert first_pass.faces[0].box == pytest.approx(expected, abs=1e-4)
    assert first_pass.faces[0].landmarks == {"nose": (39, 60)}


def test_face_found_twice_is_one_face_of_the_cascade() -> None:
    faces = fuse_faces(candidates((20, 20, 60, 60)), seen((20, 18, 60, 62)), CONFIG)
    assert [face.model for face in faces] == ["mtcnn"]
    assert list(faces[0].landmarks)[:3] == ["left_eye", "right_eye", "nose"]


def test_faces_of_both_come_by_falling_confidence_on_one_scale() -> None:
    faces = fuse_faces(candidates((20, 20, 60, 60)), seen((120, 20, 170, 80)), CONFIG)
    assert sorted(face.model for face in faces) == ["back", "mtcnn"]
    assert faces[0].score > faces[1].score
    assert all(0 < face.score < 1 for face in faces)


def test_face_confirmed_by_the_first_pass_is_surer() -> None:
    alone = fuse_faces(candidates((20, 20, 60, 60)), NOTHING, CONFIG)
    confirmed = fuse_faces(candidates((20, 20, 60, 60)), seen((20, 20, 60, 60)), CONFIG)
    assert confirmed[0].score > alone[0].score


def test_no_candidates_are_no_faces() -> None:
    assert fuse_faces(NO_CANDIDATES, NOTHING, CONFIG) == ()
    assert calibrate_faces(NOTHING, CONFIG.first_pass["back"].standalone) == ()
    assert count_expected_faces((), 100) == 0


def test_boxes_are_cut_to_the_picture() -> None:
    (face,) = fuse_faces(candidates((-20, -20, 60, 60)), NOTHING, CONFIG)
    assert face.box[:2] == (0, 0)


def test_small_faces_add_up_their_confidences() -> None:
    faces = [Face((0, 0, side, side), 0.5, {}, "mtcnn") for side in (10, 20, 30)]
    assert count_expected_faces(faces, 25) == pytest.approx(1.0)
    assert count_expected_faces(faces, 30) == pytest.approx(1.0)
    assert count_expected_faces(faces, 31) == pytest.approx(1.5)


def test_better_of_two_candidates_for_a_face_stays() -> None:
    both = merge_candidates(
        candidates((20, 20, 60, 60), (100, 20, 140, 60), onet=0.6),
        candidates((21, 21, 60, 60), onet=0.9),
        limit=0.7,
    )
    assert both.boxes.tolist() == [[21, 21, 60, 60], [100, 20, 140, 60]]
    assert both.scores[:, 2] == pytest.approx([0.9, 0.6])


def test_face_inside_a_better_face_is_no_face_and_no_company() -> None:
    around, inside = (20, 10, 90, 90), (40, 40, 70, 70)
    alone = fuse_faces(candidates(around), NOTHING, CONFIG)
    assert fuse_faces(candidates(around), seen(inside, score=0.5), CONFIG) == alone


def test_face_inside_a_better_face_of_the_first_pass_is_dropped() -> None:
    first_pass = seen((20, 10, 90, 90), (40, 40, 70, 70))
    faces = calibrate_faces(first_pass, CONFIG.first_pass["back"].standalone)
    assert [face.box for face in keep_single_faces(faces, SIZE_WH)] == [(20, 10, 90, 90)]
