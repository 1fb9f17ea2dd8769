"""Answers of other implementations to images, and how they are reproduced.

``parity.py`` describes the files. Some answers are not compared: MediaPipe's sparse full-range
network, which is another one, and those of its tests that rotate the image or give landmarks
without boxes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.kit.options import BLAZEFACE
from phiz.faces import DetectOptions
from phiz.image.resample import Sampling

Floats: TypeAlias = Sequence[Any]
"""Numbers at any depth."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Largest differences of a box side, of x and y of a landmark, and of a score.

    ``score`` is None where the peer's score is another quantity, or not given.
    """

    box_px: float
    points_px: tuple[float, float]
    score: float | None = None


@dataclass(frozen=True, slots=True)
class PeerRun:
    """How a peer's answers are reproduced, and how closely.

    ``options`` have the peer's limits, and ``sampling`` is as the peer resizes. ``is_blue_first``
    means that the peer was given the channels in this order.
    """

    peer: str
    model: str
    tolerance: Tolerance
    options: DetectOptions
    sampling: Sampling = "reference"
    is_blue_first: bool = False


@dataclass(frozen=True, slots=True)
class PeerFaces:
    """Boxes (N, 4) and landmarks (N, K, 2), pixels, and scores (N,) of the faces of an image."""

    boxes: NDArray[np.float64]
    points: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PeerCase:
    """One image, the faces of a peer in it, and how they are reproduced."""

    run: PeerRun
    image_path: Path
    faces: PeerFaces


# In the peers' order. MediaPipe's right eye is the subject's, so the viewer's left one.
BLAZEFACE_POINTS = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear")
POINTS = {
    **dict.fromkeys(BLAZEFACE, BLAZEFACE_POINTS),
    "mtcnn": ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right"),
}
FACENET = PeerRun(
    "facenet-pytorch 2.6.0", "mtcnn", Tolerance(0.05, (0.05, 0.05), 1e-3), DetectOptions(0.7, 20)
)
MEDIAPIPE = PeerRun(
    "MediaPipe 0.10.21", "front", Tolerance(0.5, (0.5, 0.5), 1e-3), DetectOptions(0.5)
)
REFERENCES = {"mtcnn_facenet_pytorch": FACENET, "mediapipe_short_range": MEDIAPIPE}
"""By the name of their file in ``references/``."""

# 1e-2 of the portrait's 820 × 1024 pixels, as MediaPipe's tests state it.
MEDIAPIPE_TASKS = Tolerance(5, (8.2, 10.24))
TFJS = Tolerance(10, (10, 10))
# By the beginning of the name that peers/ gives them.
PEERS = {
    # Its example was read with OpenCV and prints whole pixels; its pyramid rounds up.
    "ipazc/mtcnn": PeerRun(
        "ipazc/mtcnn (blue first)",
        "mtcnn",
        Tolerance(2, (2, 2), 1e-3),
        DetectOptions(0.8, 20),
        is_blue_first=True,
    ),
    # It prints four decimals of a side of 128 pixels, and averages the scores of a face.
    "hollance/BlazeFace-PyTorch blazeface front": PeerRun(
        "hollance front", "front", Tolerance(0.02, (0.02, 0.02)), DetectOptions(0.75)
    ),
    # Its input was enlarged by OpenCV, whose fixed point is one off in 6 % of the values.
    "hollance/BlazeFace-PyTorch blazeface back": PeerRun(
        "hollance back (half-pixel)",
        "back",
        Tolerance(0.15, (0.15, 0.15)),
        DetectOptions(0.65),
        "half-pixel",
    ),
    "MediaPipe Tasks FaceDetector short range": PeerRun(
        "MediaPipe Tasks short", "front", MEDIAPIPE_TASKS, DetectOptions(0.5)
    ),
    "MediaPipe full range": PeerRun(
        "MediaPipe Tasks full", "full", MEDIAPIPE_TASKS, DetectOptions(0.6)
    ),
    "tfjs-models face-detection short": PeerRun("tfjs short", "front", TFJS, DetectOptions(0.5)),
    "tfjs-models face-detection full": PeerRun("tfjs full", "full", TFJS, DetectOptions(0.6)),
}


def iterate_cases(data: Path) -> Iterator[PeerCase]:
    """Yield the images of ``references/``, ``canvases/`` and ``peers/`` with the faces of a peer.

    Images of ``references/`` lie among those of ``wider/`` and ``lfpw/``.
    """
    for name, run in REFERENCES.items():
        for image, answers in _read_json(data / "references" / f"{name}.json")["images"].items():
            home = "lfpw" if image.startswith("lfpw") else "wider"
            yield PeerCase(run, data / home / "images" / image, _to_faces(run, answers))
    canvases = data / "canvases"
    expected = _read_json(canvases / "expected.json")
    for name, run in REFERENCES.items():
        for image, answers in expected[name].items():
            yield PeerCase(run, canvases / image, _to_faces(run, answers))
    for label in _read_json(data / "peers" / "annotations.json"):
        path = data / "peers" / "images" / label["image"]
        for expected in label["expected"]:
            for beginning, run in PEERS.items():
                if expected["peer"].startswith(beginning) and "rotation" not in expected["peer"]:
                    boxes, points = expected["boxes"], expected.get("keypoints", [])
                    scores = expected.get("scores", [np.nan] * len(boxes))  # some give none
                    yield PeerCase(run, path, make_faces(run.model, boxes, points, scores))


def _read_json(path: Path) -> Any:  # noqa: ANN401  whatever the file holds
    return json.loads(path.read_text("utf-8"))


def _to_faces(run: PeerRun, answers: Sequence[Mapping[str, Any]]) -> PeerFaces:
    boxes, scores = ([answer[name] for answer in answers] for name in ("box", "score"))
    points = [answer.get("landmarks") or answer.get("keypoints") for answer in answers]
    return make_faces(run.model, boxes, points, scores)


def make_faces(model: str, boxes: Floats, points: Floats, scores: Floats) -> PeerFaces:
    """Return the faces of an image as arrays, also if there are none."""
    return PeerFaces(
        np.reshape(np.array(boxes, float), (-1, 4)),
        np.reshape(np.array(points, float), (-1, len(POINTS[model]), 2)),
        np.array(scores, float),
    )
