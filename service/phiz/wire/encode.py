"""Encodes answers as plain values and as JSON."""

from collections.abc import Mapping
from typing import Any

from phiz.faces import Classification, DetectionResult, Face, Quality
from phiz.timings import Stopwatch
from phiz.wire.json_text import encode_json
from phiz.wire.messages import EncodedAnswer


def encode_answer(
    content: Mapping[str, Any], face_count: int | None, stopwatch: Stopwatch
) -> EncodedAnswer:
    """Return an answer as JSON, with its timings.

    Args:
        content: The answer as plain values, without timings.
        face_count: Number of faces; None for a classification.
        stopwatch: Of the request. The time since its last lap counts as ``postprocess``.

    Raises:
        ValueError: The answer holds NaN or infinity.
    """
    stopwatch.lap("postprocess")
    timings = stopwatch.to_timings()
    timing_ms = timings.to_milliseconds()
    server_timing = format_server_timing(timing_ms)
    body = encode_json({**content, "timing_ms": timing_ms})
    # orjson writes NaN and infinity as null, which no answer holds otherwise.
    if b":null" in body:
        raise ValueError("the answer holds NaN or infinity, which JSON cannot encode")
    return EncodedAnswer(body, server_timing, face_count, *timings)


def format_server_timing(timing_ms: Mapping[str, float]) -> str:
    """Return stages in ms as a header ``Server-Timing``."""
    return ", ".join(f"{name};dur={ms}" for name, ms in timing_ms.items())


def encode_result(result: DetectionResult) -> dict[str, Any]:
    """Return an answer as plain values, without its timings.

    Coordinates have 2 decimals (pixels of the upright image) and scores 4. ``route`` and the
    ``model`` of a face are present only under ``auto``.
    """
    answer: dict[str, Any] = {
        "model": result.model,
        "image": {"width": result.width, "height": result.height},
        "faces": [_encode_face(face, with_model=bool(result.route)) for face in result.faces],
    }
    if result.route:
        answer["route"] = [
            {
                "model": step.model,
                "ran": step.ran,
                "faces": step.faces,
                "reason": step.reason,
                "why": step.why,
            }
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
        "landmarks": {
            name: {"x": round(x, 2), "y": round(y, 2)} for name, (x, y) in face.landmarks.items()
        },
    }
    if face.roll is not None:
        entry["roll"] = round(face.roll, 1)
    if face.quality is not None:
        entry["quality"] = _encode_quality(face.quality)
    if face.pose is not None:
        entry["pose"] = {
            "yaw": round(face.pose.yaw, 1),
            "pitch": round(face.pose.pitch, 1),
            "roll": round(face.pose.roll, 1),
        }
    return {**entry, "model": face.model} if with_model else entry


def _encode_quality(quality: Quality) -> dict[str, Any]:
    return {
        "eye_distance": round(quality.eye_distance, 2),
        "frontalness": round(quality.frontalness, 3),
        "sharpness": round(quality.sharpness, 3),
    }


def encode_classification(classification: Classification) -> dict[str, Any]:
    """Return the classes of an image as plain values, without timings. Scores have 4 decimals."""
    return {
        "model": classification.model,
        "precision": classification.precision,
        "classes": [
            {"index": each.index, "label": each.label, "score": round(each.score, 4)}
            for each in classification.classes
        ],
    }
