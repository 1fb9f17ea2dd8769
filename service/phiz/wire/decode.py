"""Decodes answers: the reverse of ``phiz.wire.encode``, with its rounding.

Fields that this version does not know are ignored, so a newer service can be asked.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from phiz.faces import (
    Classification,
    DetectionResult,
    Face,
    Point,
    Pose,
    Quality,
    RoutingStep,
    ScoredClass,
)
from phiz.timings import NO_TIMINGS, PARTS, STAGES, Timings

# A proxy may have added entries of its own.
_TIMED: Final = frozenset({*STAGES, "render", *PARTS, "total"})
_TIMING: Final = re.compile(r"(\w+);dur=(\d+(?:\.\d+)?)")


def decode_result(answer: Mapping[str, Any], timings: Timings) -> DetectionResult:
    """Return the result of an answer of ``encode_result``.

    Raises:
        LookupError, TypeError, ValueError: It is no such answer.
    """
    model, image = answer["model"], answer["image"]
    return DetectionResult(
        model,
        image["width"],
        image["height"],
        tuple(_decode_face(face, model) for face in answer["faces"]),
        tuple(_decode_step(step) for step in answer.get("route") or ()),
        timings,
    )


def decode_classification(answer: Mapping[str, Any], timings: Timings) -> Classification:
    """Return the classification of an answer of ``encode_classification``.

    Raises:
        LookupError, TypeError, ValueError: It is no such answer.
    """
    classes = tuple(
        ScoredClass(each["index"], each["label"], each["score"]) for each in answer["classes"]
    )
    return Classification(answer["model"], answer["precision"], classes, timings)


def decode_server_timing(header: str) -> Timings:
    """Return the timings of a header ``Server-Timing``; none if it is another one."""
    entries = _TIMING.findall(header)
    timing_ms = {name: float(ms) for name, ms in entries if name in _TIMED}
    return Timings.from_milliseconds(timing_ms) if "total" in timing_ms else NO_TIMINGS


def _decode_face(face: Mapping[str, Any], model: str) -> Face:
    box, quality, pose = face["box"], face.get("quality"), face.get("pose")
    x, y = box["x"], box["y"]
    landmarks: dict[str, Point] = {
        name: (point["x"], point["y"]) for name, point in face["landmarks"].items()
    }
    return Face(
        # The sum of two decimal fractions is another one only if it is rounded.
        (x, y, round(x + box["width"], 2), round(y + box["height"], 2)),
        face["score"],
        landmarks,
        face.get("model") or model,
        face.get("roll"),
        quality and Quality(quality["eye_distance"], quality["frontalness"], quality["sharpness"]),
        pose and Pose(pose["yaw"], pose["pitch"], pose["roll"]),
    )


def _decode_step(step: Mapping[str, Any]) -> RoutingStep:
    return RoutingStep(step["model"], step["faces"], step["reason"], step["why"], step["ran"])
