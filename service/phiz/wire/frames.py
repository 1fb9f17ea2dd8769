"""The messages of a stream: the answer to a frame with the ids of its faces, or its error."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from phiz.faces import Face
from phiz.tracking.tracker import TrackedFace

JsonFace: TypeAlias = Mapping[str, Any]


def decode_faces(answer: Mapping[str, Any]) -> tuple[Face, ...]:
    """Return the faces of a decoded answer, with their boxes, scores and landmarks."""
    return tuple(map(_decode_face, answer["faces"]))


def _decode_face(face: JsonFace) -> Face:
    box = face["box"]
    x, y = box["x"], box["y"]
    landmarks = {name: (point["x"], point["y"]) for name, point in face["landmarks"].items()}
    return Face((x, y, x + box["width"], y + box["height"]), face["score"], landmarks, "")


def encode_frame(
    answer: Mapping[str, Any], tracked: Sequence[TrackedFace], number: int, dropped: int
) -> str:
    """Return the message of a frame: the answer to its image, and more.

    Args:
        answer: The decoded answer.
        tracked: Its faces in their order, with their ids.
        number: Number of the frame.
        dropped: Frames of the stream that were dropped so far.
    """
    content = {"frame": number, "dropped": dropped, **add_ids(answer, tracked)}
    return orjson.dumps(content).decode()


def add_ids(answer: Mapping[str, Any], tracked: Sequence[TrackedFace]) -> dict[str, Any]:
    """Return a decoded answer with the ids of its faces, where they were tracked to."""
    faces = [_encode_face(*pair) for pair in zip(answer["faces"], tracked, strict=True)]
    return {**answer, "faces": faces}


def encode_frame_problem(problem: Mapping[str, Any], number: int | None, dropped: int) -> str:
    """Return the message of an error in the shape of RFC 9457.

    Args:
        problem: Its members.
        number: Number of the frame; None if it is the error of the stream itself.
        dropped: Frames of the stream that were dropped so far.
    """
    of_frame = {} if number is None else {"frame": number, "dropped": dropped}
    return orjson.dumps({**of_frame, **problem}).decode()


def _encode_face(face: JsonFace, tracked: TrackedFace) -> dict[str, Any]:
    """Return a face of an answer with its id, where it was tracked to."""
    x1, y1, x2, y2 = tracked.face.box
    landmarks = tracked.face.landmarks
    return {
        "id": tracked.id,
        **face,
        "box": {
            "x": round(x1, 2),
            "y": round(y1, 2),
            "width": round(x2 - x1, 2),
            "height": round(y2 - y1, 2),
        },
        "landmarks": {
            name: {"x": round(x, 2), "y": round(y, 2)} for name, (x, y) in landmarks.items()
        },
    }
