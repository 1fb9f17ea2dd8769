"""From the bytes of a picture to the bytes of an answer: the work of a worker."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from phiz.classifiers import Classification, Classifiers
from phiz.engine import Engine, Result
from phiz.faces import DetectOptions, Face, Point, Quality
from phiz.models.specs import Form
from phiz.timings import Stopwatch, Timings
from phiz.wire.messages import Answer
from phiz.workers.interleave import pause

Load: TypeAlias = Callable[[str, Form | None], tuple[Classifiers, Form]]
"""Gives the classifier of a name in a form, or in the one that is recommended here."""


def find(
    engine: Engine, picture: bytes, model: str, options: DetectOptions, started: float
) -> Answer:
    """Return the encoded answer to a picture, in the calling thread.

    Args:
        engine: What detects.
        picture: Encoded.
        model: Which detector.
        options: For it.
        started: The reading of ``time.perf_counter`` since which the picture has waited; that
            clock is the same in all processes of a machine.

    Raises:
        PhizError: As ``Engine.detect``.
    """
    stopwatch = Stopwatch(started, pause=pause)
    stopwatch.lap("queue")
    result = engine.detect(picture, model, options, stopwatch)
    content = payload(result)
    stopwatch.lap("postprocess")
    return _answer(content, len(result.faces), stopwatch.timings())


def classify(  # noqa: PLR0913, PLR0917  what a request chooses, and when it came
    load: Load, picture: bytes, model: str, precision: Form | None, top: int, started: float
) -> Answer:
    """Return the encoded answer to what a picture shows, in the calling thread.

    What loads the classifier, if nobody has asked for it before, counts as ``queue``.

    Args:
        load: Gives the classifier.
        picture: Encoded.
        model: Which classifier.
        precision: Of its network; None for what is recommended here.
        top: So many classes.
        started: As for ``find``.

    Raises:
        PhizError: As ``Classifiers.classify``, or the classifier cannot be loaded.
    """
    stopwatch = Stopwatch(started)
    classifiers, form = load(model, precision)
    stopwatch.lap("queue")
    content = classification_payload(classifiers.classify(picture, model, form, top, stopwatch))
    stopwatch.lap("postprocess")
    return _answer(content, None, stopwatch.timings())


def _answer(content: dict[str, Any], faces: int | None, timings: Timings) -> Answer:
    timing_ms = timings.milliseconds()
    body = encoded({**content, "timing_ms": timing_ms})
    server_timing = ", ".join(f"{name};dur={ms}" for name, ms in timing_ms.items())
    return Answer(body, server_timing, faces, timings)


def encoded(content: Mapping[str, Any]) -> bytes:
    """Return an answer as JSON.

    Raises:
        ValueError: A number of it is not one, or is infinite.
    """
    body = orjson.dumps(content)
    # Which is how such numbers are written; no answer has a null, and no name in it has these.
    if b":null" in body:
        raise ValueError("JSON has no number for one of the answer's")
    return body


def payload(result: Result) -> dict[str, Any]:
    """Return an answer as it is encoded, without its timings.

    Coordinates have 2 decimals (pixels of the upright picture) and scores 4. ``route`` and
    each face's ``model`` are there only if the model had a choice.
    """
    answer: dict[str, Any] = {
        "model": result.model,
        "image": {"width": result.width, "height": result.height},
        "faces": [_face(face, named=bool(result.route)) for face in result.faces],
    }
    if result.route:
        answer["route"] = [
            {"model": step.model, "ran": step.ran, "faces": step.faces, "why": step.why}
            for step in result.route
        ]
    return answer


def _face(face: Face, *, named: bool) -> dict[str, Any]:
    x1, y1, x2, y2 = face.box
    entry: dict[str, Any] = {
        "box": {
            "x": round(x1, 2),
            "y": round(y1, 2),
            "width": round(x2 - x1, 2),
            "height": round(y2 - y1, 2),
        },
        "score": round(face.score, 4),
        "landmarks": _landmarks(face.landmarks),
    }
    if face.roll is not None:
        entry["roll"] = round(face.roll, 1)
    if face.quality is not None:
        entry["quality"] = _quality(face.quality)
    return {**entry, "model": face.model} if named else entry


def _quality(quality: Quality) -> dict[str, Any]:
    return {
        "eye_distance": round(quality.eye_distance, 2),
        "frontalness": round(quality.frontalness, 3),
        "sharpness": round(quality.sharpness, 3),
    }


def _landmarks(landmarks: Mapping[str, Point]) -> dict[str, Any]:
    return {name: {"x": round(x, 2), "y": round(y, 2)} for name, (x, y) in landmarks.items()}


def classification_payload(found: Classification) -> dict[str, Any]:
    """Return what a picture shows as it is encoded, without its timings; 4 decimals of a score."""
    return {
        "model": found.model,
        "precision": found.precision,
        "classes": [
            {"index": each.index, "label": each.label, "score": round(each.score, 4)}
            for each in found.classes
        ],
    }
