"""A server of the load benchmark: MediaPipe's face detector behind the handler one writes first.

::

    python mediapipe_in_fastapi.py PORT
"""

import sys
from typing import Any

import cv2
import numpy as np
import uvicorn
from fastapi import FastAPI, UploadFile
from mediapipe.python.solutions.face_detection import FaceDetection

app = FastAPI()
# The network of phiz's front model, at its limit for a score.
detector = FaceDetection(model_selection=0, min_detection_confidence=0.5)


@app.post("/detect")
async def detect(image: UploadFile) -> dict[str, Any]:
    """Return the faces; the detector is no matter for several threads, so it runs in the loop."""
    encoded = np.frombuffer(await image.read(), np.uint8)
    pixels = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)  # (H, W, 3)
    height, width = pixels.shape[:2]
    found = detector.process(pixels).detections or []
    return {
        "image": {"width": width, "height": height},
        "faces": [to_face(detection, width, height) for detection in found],
    }


def to_face(detection: Any, width: int, height: int) -> dict[str, Any]:  # noqa: ANN401  a protobuf
    """Return a face in pixels."""
    box = detection.location_data.relative_bounding_box
    points = detection.location_data.relative_keypoints
    return {
        "box": {
            "x": box.xmin * width,
            "y": box.ymin * height,
            "width": box.width * width,
            "height": box.height * height,
        },
        "score": detection.score[0],
        "landmarks": [{"x": point.x * width, "y": point.y * height} for point in points],
    }


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
