"""A server of the load benchmark: another detector behind the handler one writes first.

::

    python in_fastapi.py mediapipe PORT
    python in_fastapi.py facenet PORT

Each detector is in an environment of its own. Neither is safe to call from several threads, so
they run in the event loop.
"""

import sys
from collections.abc import Callable
from io import BytesIO
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile


def load_mediapipe() -> Callable[[bytes], dict[str, Any]]:
    """Return MediaPipe's detector: the network of ``front``, at its score limit."""
    import cv2  # noqa: PLC0415  in this environment alone
    import numpy as np  # noqa: PLC0415
    from mediapipe.python.solutions.face_detection import FaceDetection  # noqa: PLC0415

    detector = FaceDetection(model_selection=0, min_detection_confidence=0.5)

    def detect(image_bytes: bytes) -> dict[str, Any]:
        encoded = np.frombuffer(image_bytes, np.uint8)
        pixels = cv2.cvtColor(cv2.imdecode(encoded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        height, width = pixels.shape[:2]
        faces = []
        for found in detector.process(pixels).detections or []:
            box = found.location_data.relative_bounding_box
            sides = {"x": box.xmin * width, "y": box.ymin * height}
            size = {"width": box.width * width, "height": box.height * height}
            points = found.location_data.relative_keypoints
            landmarks = [{"x": point.x * width, "y": point.y * height} for point in points]
            faces.append({"box": sides | size, "score": found.score[0], "landmarks": landmarks})
        return {"image": {"width": width, "height": height}, "faces": faces}

    return detect


def load_facenet() -> Callable[[bytes], dict[str, Any]]:
    """Return facenet-pytorch's MTCNN, on one thread."""
    import torch  # noqa: PLC0415  in this environment alone
    from facenet_pytorch import MTCNN  # noqa: PLC0415
    from PIL import Image as Pillow  # noqa: PLC0415

    torch.set_num_threads(1)
    detector = MTCNN(keep_all=True, device="cpu")

    def detect(image_bytes: bytes) -> dict[str, Any]:
        image = Pillow.open(BytesIO(image_bytes)).convert("RGB")
        boxes, scores, landmarks = detector.detect(image, landmarks=True)
        found = [] if boxes is None else zip(boxes, scores, landmarks, strict=True)
        faces = [
            {"box": box.tolist(), "score": float(score), "landmarks": points.tolist()}
            for box, score, points in found
        ]
        return {"image": {"width": image.width, "height": image.height}, "faces": faces}

    return detect


LOADERS = {"mediapipe": load_mediapipe, "facenet": load_facenet}


def main(name: str, port: int) -> None:
    """Serve a detector."""
    app, find_faces = FastAPI(), LOADERS[name]()

    @app.post("/detect")
    async def detect(image: UploadFile) -> dict[str, Any]:
        """Return the faces."""
        return find_faces(await image.read())

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
