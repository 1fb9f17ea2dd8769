"""What other implementations answer to pictures, and how their answers are reproduced.

The files are those that ``parity.py`` describes. Not compared are MediaPipe's sparse
full-range network, which is not the one here, and the tests of its that turn the picture or
give landmarks without boxes.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
from numpy.typing import NDArray

from phiz.faces import DetectOptions
from phiz.image.resample import Sampling


class Answer(TypedDict):
    """One face as ``references/`` and ``canvases/`` write it."""

    score: float
    box: list[float]
    landmarks: NotRequired[list[list[float]]]
    keypoints: NotRequired[list[list[float]]]


class Expected(TypedDict):
    """What one peer expects of one picture, as ``peers/`` writes it."""

    peer: str
    boxes: NotRequired[list[list[float]]]
    keypoints: NotRequired[list[list[list[float]]]]
    scores: NotRequired[list[float]]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far an answer may be from a peer's.

    Attributes:
        box_px: Of each side of a box.
        points_px: Of x and y of a landmark.
        score: None where the peer's score is not ours: another quantity, or not given.
    """

    box_px: float
    points_px: tuple[float, float]
    score: float | None = None


@dataclass(frozen=True, slots=True)
class PeerRun:
    """How a peer's answers are reproduced, and how closely.

    Attributes:
        peer: Whose answers.
        model: Ours.
        tolerance: How closely.
        options: With the peer's limits.
        sampling: As the peer resizes.
        is_blue_first: Whether the peer was given the channels in this order.
    """

    peer: str
    model: str
    tolerance: Tolerance
    options: DetectOptions
    sampling: Sampling = "reference"
    is_blue_first: bool = False


@dataclass(frozen=True, slots=True)
class PeerFace:
    """One face: its box (4,), its landmarks (K, 2), both in pixels, and its score."""

    box: NDArray[np.float64]
    points: NDArray[np.float64]
    score: float


@dataclass(frozen=True, slots=True)
class PeerCase:
    """One picture, what a peer sees in it, and how that is reproduced."""

    run: PeerRun
    picture: Path
    faces: tuple[PeerFace, ...]


FACENET = PeerRun(
    "facenet-pytorch 2.6.0", "mtcnn", Tolerance(0.05, (0.05, 0.05), 1e-3), DetectOptions(0.7, 20)
)
MEDIAPIPE = PeerRun(
    "MediaPipe 0.10.21", "front", Tolerance(0.5, (0.5, 0.5), 1e-3), DetectOptions(0.5)
)
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
    """Yield all pictures with the answers of a peer."""
    yield from iterate_reference_cases(data)
    yield from iterate_canvas_cases(data)
    yield from iterate_peer_cases(data)


def iterate_reference_cases(data: Path) -> Iterator[PeerCase]:
    """Yield the pictures of ``references/``, which lie among those of wider/ and lfpw/."""
    for run, name in (
        (FACENET, "mtcnn_facenet_pytorch.json"),
        (MEDIAPIPE, "mediapipe_short_range.json"),
    ):
        images = json.loads((data / "references" / name).read_text())["images"]
        for image, answers in images.items():
            home = "lfpw" if image.startswith("lfpw") else "wider"
            yield PeerCase(run, data / home / "images" / image, to_faces(answers))


def iterate_canvas_cases(data: Path) -> Iterator[PeerCase]:
    """Yield the made pictures of ``canvases/``."""
    folder = data / "canvases"
    expected = json.loads((folder / "expected.json").read_text())
    for run, name in ((FACENET, "mtcnn_facenet_pytorch"), (MEDIAPIPE, "mediapipe_short_range")):
        for image, answers in expected[name].items():
            yield PeerCase(run, folder / image, to_faces(answers))


def iterate_peer_cases(data: Path) -> Iterator[PeerCase]:
    """Yield what the tests of ``PEERS`` expect of the pictures of ``peers/``."""
    folder = data / "peers"
    for label in json.loads((folder / "annotations.json").read_text()):
        for expected in label["expected"]:
            for beginning, run in PEERS.items():
                if expected["peer"].startswith(beginning) and "rotation" not in expected["peer"]:
                    faces = to_expected_faces(expected)
                    yield PeerCase(run, folder / "images" / label["image"], faces)


def to_faces(answers: Sequence[Answer]) -> tuple[PeerFace, ...]:
    """Return the faces of a file of answers."""
    return tuple(
        PeerFace(
            np.array(answer["box"], float),
            np.array(answer.get("landmarks") or answer.get("keypoints"), float),
            answer["score"],
        )
        for answer in answers
    )


def to_expected_faces(expected: Expected) -> tuple[PeerFace, ...]:
    """Return the faces that a peer's test expects; some give no scores."""
    boxes = expected["boxes"]
    points = expected.get("keypoints", [])
    scores = expected.get("scores", [np.nan] * len(boxes))
    return tuple(
        PeerFace(np.array(corners, float), np.array(landmarks, float), score)
        for corners, landmarks, score in zip(boxes, points, scores, strict=True)
    )
