"""A worker: MediaPipe's face detection, with its network for each range.

::

    python mediapipe_faces.py PATHS

``PATHS`` is a file with the path of an image on each line.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
from mediapipe.python.solutions.face_detection import FaceDetection
from turns import Facts, Task, serve_tasks

MIN_SCORE = 0.5  # MediaPipe's default
LOWEST_SCORE = 0.05
RANGES = ("short", "full")


def load_range(place: int, min_score: float) -> Callable[[str], Facts]:
    """Return a function that finds the faces in an image's file."""
    detector = FaceDetection(model_selection=place, min_detection_confidence=min_score)

    def detect(path: str) -> Facts:
        image = cv2.cvtColor(cv2.imread(path), cv2.COLOR_BGR2RGB)
        height, width = image.shape[:2]
        found = detector.process(image).detections or []
        boxes = [to_box(each.location_data.relative_bounding_box, width, height) for each in found]
        return {"boxes": boxes, "scores": [each.score[0] for each in found]}

    return detect


def to_box(box: Any, width: int, height: int) -> list[float]:  # noqa: ANN401  MediaPipe's
    """Return a box of shares of an image in its pixels."""
    left, top = box.xmin * width, box.ymin * height
    return [left, top, left + box.width * width, top + box.height * height]


def main() -> None:
    """Serve both networks at MediaPipe's score limit, and down to a very low score."""
    paths = Path(sys.argv[1]).read_text("utf-8").splitlines()

    def run(detect: Callable[[str], Facts], item: int) -> Facts:
        return detect(paths[item])

    tasks = [
        Task(
            contest,
            f"MediaPipe, {name} range",
            partial(run, load_range(place, limit)),
            lambda facts: facts,
        )
        for place, name in enumerate(RANGES)
        for contest, limit in (("faces", MIN_SCORE), ("faces of any score", LOWEST_SCORE))
    ]
    serve_tasks(tasks, ("mediapipe", "opencv-contrib-python", "numpy"))


if __name__ == "__main__":
    main()
