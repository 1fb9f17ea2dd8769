"""Answers as plain values, and as JSON."""

from collections.abc import Mapping
from typing import Any

import orjson

from phiz.classifiers import Classification
from phiz.engine import DetectionResult
from phiz.faces import Face, Point, Quality


def encode_json(content: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON.

    Raises:
        ValueError: A number of it is not one, or is infinite.
    """
    body = orjson.dumps(content)
    # Which is how such numbers are written; no answer has a null, and no name in it has these.
    if b":null" in body:
        raise ValueError("JSON has no number for one of the answer's")
    return body


def encode_result(result: DetectionResult) -> dict[str, Any]:
    """Return an answer as it is encoded, without its timings.

    Coordinates have 2 decimals (pixels of the upright picture) and scores 4. ``route`` and
    each face's ``model`` are there only if the model had a choice.
    """
    answer: dict[str, Any] = {
        "model": result.model,
        "image": {"width": result.width, "height": result.height},
        "faces": [_encode_face(face, with_model=bool(result.route)) for face in result.faces],
    }
    if result.route:
        answer["route"] = [
            {"model": step.model, "ran": step.ran, "faces": step.faces, "why": step.why}
            for step in result.route
        ]
    return answer


def _encode_face(face: Face, *, with_model: bool) -> dict[str, Any]:
    x1, y1, x2, y2 = face.box
    entry: dict[str, Any] = {
        "box": {
            "x": round(x1, 2),
            "y": round(y1, 2),
            "width": round(x2 - x1, 2),
            "height": round(y2 - y1, 2),
        },
        "score": round(face.score, 4),
        "landmarks": _encode_landmarks(face.landmarks),
    }
    if face.roll is not None:
        entry["roll"] = round(face.roll, 1)
    if face.quality is not None:
        entry["quality"] = _encode_quality(face.quality)
    return {**entry, "model": face.model} if with_model else entry


def _encode_quality(quality: Quality) -> dict[str, Any]:
    return {
        "eye_distance": round(quality.eye_distance, 2),
        "frontalness": round(quality.frontalness, 3),
        "sharpness": round(quality.sharpness, 3),
    }


def _encode_landmarks(landmarks: Mapping[str, Point]) -> dict[str, Any]:
    return {name: {"x": round(x, 2), "y": round(y, 2)} for name, (x, y) in landmarks.items()}


def encode_classification(classification: Classification) -> dict[str, Any]:
    """Return what a picture shows as it is encoded, without its timings; 4 decimals of a score."""
    return {
        "model": classification.model,
        "precision": classification.precision,
        "classes": [
            {"index": each.index, "label": each.label, "score": round(each.score, 4)}
            for each in classification.classes
        ],
    }
