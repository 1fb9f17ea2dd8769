"""A worker: YuNet as OpenCV runs it, on one thread.

::

    python opencv.py PATHS YUNET

``PATHS`` is a file with the path of an image on each line, ``YUNET`` the published network. Images
are searched at their own size.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from turns import Facts, Task, serve_tasks

MIN_SCORE = 0.9  # OpenCV's default
LOWEST_SCORE = 0.05
MAX_OVERLAP = 0.3
MAX_PREDICTIONS = 5000


def load_yunet(network: str, min_score: float) -> Callable[[str], NDArray[np.float32]]:
    """Return a function that finds the faces in an image's file, (F, 15)."""
    detector = cv2.FaceDetectorYN.create(
        network, "", (320, 320), min_score, MAX_OVERLAP, MAX_PREDICTIONS
    )

    def detect(path: str) -> NDArray[np.float32]:
        image = cv2.imread(path)
        detector.setInputSize((image.shape[1], image.shape[0]))
        _, found = detector.detect(image)
        return np.empty((0, 15), np.float32) if found is None else np.asarray(found)

    return detect


def list_faces(found: NDArray[np.float32]) -> Facts:
    """Return the boxes (F, 4) and the scores (F,)."""
    boxes = np.concatenate([found[:, :2], found[:, :2] + found[:, 2:4]], axis=1)
    return {"boxes": boxes.tolist(), "scores": found[:, 14].tolist()}


def main() -> None:
    """Serve YuNet at OpenCV's score limit, and down to a very low score."""
    cv2.setNumThreads(1)
    paths, network = Path(sys.argv[1]).read_text("utf-8").splitlines(), sys.argv[2]

    def run(detect: Callable[[str], NDArray[np.float32]], item: int) -> NDArray[np.float32]:
        return detect(paths[item])

    tasks = [
        Task(contest, "OpenCV, YuNet", partial(run, load_yunet(network, limit)), list_faces)
        for contest, limit in (("faces", MIN_SCORE), ("faces of any score", LOWEST_SCORE))
    ]
    serve_tasks(tasks, ("opencv-python-headless", "numpy"))


if __name__ == "__main__":
    main()
