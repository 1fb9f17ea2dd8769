"""Held-out images, faces in them, and the average precision of these."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from phiz.engine import Engine
from phiz.faces import Boxes, DetectOptions, Scores
from phiz.lab.accuracy.labels import LabelledImage, read_wider_labels
from phiz.lab.accuracy.precision import (
    compute_average_precision,
    judge_detections,
    merge_judgements,
)
from phiz.lab.accuracy.predictions import predict_faces, to_boxes, to_scores

T = TypeVar("T")

HELD_OUT_EVERY = 4  # every so many-th image is reported on; the others are fitted to

Detected: TypeAlias = tuple[Boxes, Scores]


def read_held_out_labels(data: Path, every: int = HELD_OUT_EVERY) -> list[LabelledImage]:
    """Return the labels of ``wider/`` to report on."""
    return read_wider_labels(data)[::every]


def omit_held_out(items: Iterable[T]) -> list[T]:
    """Return the items to fit to, in their order."""
    return [each for place, each in enumerate(items) if place % HELD_OUT_EVERY]


def detect_faces(
    engine: Engine, model: str, options: DetectOptions, labels: Iterable[LabelledImage]
) -> list[Detected]:
    """Return the boxes and scores that a model finds in each image."""
    predictions = predict_faces(engine, model, options, labels)
    return [(to_boxes(each.faces), to_scores(each.faces)) for each in predictions]


def compute_precision(
    labels: Sequence[LabelledImage], found: Sequence[Detected], level: str
) -> float:
    """Return the average precision at a level, 0 to 1."""
    judged = [
        judge_detections(*each, label.faces, label.counted[level])
        for each, label in zip(found, labels, strict=True)
    ]
    return compute_average_precision(merge_judgements(judged))
