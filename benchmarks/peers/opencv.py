"""A worker: YuNet as OpenCV runs it, on one thread.

::

    python opencv.py INPUTS
    python opencv.py PATHS YUNET

``INPUTS`` is a folder with JPEGs and the published network, as the speed benchmark makes it.
``PATHS`` is a file with the path of an image on each line, ``YUNET`` the network. Images are
searched at their own size.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from turns import Facts, Task, serve_tasks

Found: TypeAlias = NDArray[np.float32]
"""Faces (F, 15)."""

MIN_SCORE = 0.9  # OpenCV's default
LOWEST_SCORE = 0.05
MAX_OVERLAP = 0.3
MAX_PREDICTIONS = 5000
NAME = "OpenCV, YuNet"
SIZE = "640x480"


def load_yunet(network: str, min_score: float) -> Callable[[NDArray[np.uint8]], Found]:
    """Return a function that finds the faces in an encoded image (N,)."""
    detector = cv2.FaceDetectorYN.create(
        network, "", (320, 320), min_score, MAX_OVERLAP, MAX_PREDICTIONS
    )

    def detect(encoded: NDArray[np.uint8]) -> Found:
        image = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
        detector.setInputSize((image.shape[1], image.shape[0]))
        _, found = detector.detect(image)
        return np.empty((0, 15), np.float32) if found is None else np.asarray(found)

    return detect


def detect_file(
    detect: Callable[[NDArray[np.uint8]], Found], paths: Sequence[str], item: int
) -> Found:
    """Return the faces in the image at a place of the paths."""
    return detect(np.fromfile(paths[item], np.uint8))


def list_faces(found: Found) -> Facts:
    """Return the boxes (F, 4) and the scores (F,)."""
    boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1)
    return {"boxes": boxes.tolist(), "scores": found[:, 14].tolist()}


def main() -> None:
    """Serve YuNet at OpenCV's score limit, and down to a very low score."""
    cv2.setNumThreads(1)
    inputs = Path(sys.argv[1])
    if inputs.is_dir():
        detect = load_yunet(str(inputs / "yunet.onnx"), MIN_SCORE)
        jpegs = [np.fromfile(path, np.uint8) for path in sorted((inputs / SIZE).glob("*.jpg"))]
        tasks = [Task("yunet", NAME, lambda item: detect(jpegs[item]), list_faces)]
    else:
        paths, network = inputs.read_text("utf-8").splitlines(), sys.argv[2]
        tasks = [
            Task(contest, NAME, partial(detect_file, load_yunet(network, limit), paths), list_faces)
            for contest, limit in (("faces", MIN_SCORE), ("faces of any score", LOWEST_SCORE))
        ]
    serve_tasks(tasks, ("opencv-python-headless", "numpy"))


if __name__ == "__main__":
    main()
