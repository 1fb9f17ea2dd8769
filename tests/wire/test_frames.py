import json
from typing import Any

from phiz.faces import Face
from phiz.tracking.tracker import TrackedFace
from phiz.wire.examples import DETECT_EXAMPLE
from phiz.wire.frames import decode_faces, encode_frame, encode_frame_problem

ANSWER: dict[str, Any] = {
    "model": "front",
    "image": {"width": 100, "height": 80},
    "faces": [
        {
            "box": {"x": 10.5, "y": 20.25, "width": 30.0, "height": 40.0},
            "score": 0.9,
            "landmarks": {"nose": {"x": 25.0, "y": 40.0}},
            "roll": 3.5,
        }
    ],
    "timing_ms": {"total": 1.5},
}


def test_faces_of_an_answer_are_decoded() -> None:
    assert decode_faces(ANSWER) == (
        Face((10.5, 20.25, 40.5, 60.25), 0.9, {"nose": (25.0, 40.0)}, ""),
    )
    (face,) = decode_faces(DETECT_EXAMPLE)
    assert face.landmarks.keys() == DETECT_EXAMPLE["faces"][0]["landmarks"].keys()


def test_message_of_a_frame_is_its_answer_with_ids() -> None:
    tracked = [TrackedFace(7, face) for face in decode_faces(ANSWER)]
    message = json.loads(encode_frame(ANSWER, tracked, 12, 3))
    face = {"id": 7, **ANSWER["faces"][0]}
    assert message == {"frame": 12, "dropped": 3, **ANSWER, "faces": [face]}
    assert list(message) == ["frame", "dropped", *ANSWER]


def test_face_is_where_it_was_tracked_to() -> None:
    moved = Face((11.0, 20.0, 41.333333, 60.0), 0.9, {"nose": (26.123456, 40.0)}, "")
    (face,) = json.loads(encode_frame(ANSWER, [TrackedFace(7, moved)], 1, 0))["faces"]
    assert face["box"] == {"x": 11.0, "y": 20.0, "width": 30.33, "height": 40.0}
    assert face["landmarks"] == {"nose": {"x": 26.12, "y": 40.0}}
    assert (face["score"], face["roll"]) == (0.9, 3.5)


def test_error_of_a_frame_has_its_number_and_that_of_a_stream_has_none() -> None:
    problem = {"status": 415, "code": "unsupported_image"}
    assert json.loads(encode_frame_problem(problem, 5, 2)) == {"frame": 5, "dropped": 2, **problem}
    assert json.loads(encode_frame_problem(problem, None, 2)) == problem
