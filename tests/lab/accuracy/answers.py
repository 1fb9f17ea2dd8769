"""Labelled pictures and answers to them, made by hand."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from phiz.faces import Face
from phiz.lab.accuracy.labels import ALL, LabelledImage
from phiz.lab.accuracy.predictions import Prediction
from phiz.timings import Timings

Box = tuple[float, float, float, float]
NAMES = ("left_eye", "right_eye", "nose", "mouth")
# Eyes 10 pixels apart.
EYES = ((10.0, 10.0), (20.0, 10.0), (15.0, 15.0), (12.0, 20.0), (18.0, 20.0))
HEAD: Box = (5, 5, 25, 25)


def found(
    box: Box = HEAD, score: float = 0.9, by: tuple[float, float] = (0, 0), model: str = "front"
) -> Face:
    """Return a face whose landmarks are ``EYES`` moved by so much."""
    points = {name: (x + by[0], y + by[1]) for name, (x, y) in zip(NAMES, EYES[:4], strict=True)}
    return Face(box, score, points, model)


def labelled(
    boxes: Sequence[Box], *, counted: Sequence[bool] | None = None, has_points: bool = False
) -> LabelledImage:
    """Return a label whose faces all count unless it is said, perhaps with ``EYES``."""
    points = np.array(EYES if has_points else np.full((5, 2), np.nan), np.float32)
    return LabelledImage(
        Path("a.jpg"),
        np.array(boxes, np.float32).reshape(-1, 4),
        {ALL: np.array([True] * len(boxes) if counted is None else counted, bool)},
        np.broadcast_to(points, (len(boxes), 5, 2)),
    )


def answer(
    label: LabelledImage, faces: Sequence[Face], size_wh: tuple[int, int] = (100, 100)
) -> Prediction:
    """Return an answer that took 1, 2, 3 and 4 ms in its stages."""
    stages = {"queue": 0.0, "decode": 1e-3, "preprocess": 2e-3, "inference": 3e-3}
    timings = Timings({**stages, "postprocess": 4e-3}, {}, 10e-3)
    return Prediction(label, size_wh, tuple(faces), timings)
