"""A server of the load benchmark: facenet-pytorch's MTCNN behind the handler one writes first.

::

    python facenet_in_fastapi.py PORT
"""

import sys
from io import BytesIO
from typing import Any

import torch
import uvicorn
from facenet_pytorch import MTCNN
from fastapi import FastAPI, UploadFile
from PIL import Image as Pillow

app = FastAPI()
torch.set_num_threads(1)
detector = MTCNN(keep_all=True, device="cpu")


@app.post("/detect")
async def detect(image: UploadFile) -> dict[str, Any]:
    """Return the faces."""
    picture = Pillow.open(BytesIO(await image.read())).convert("RGB")
    boxes, scores, landmarks = detector.detect(picture, landmarks=True)
    faces = [] if boxes is None else zip(boxes, scores, landmarks, strict=True)
    return {
        "image": {"width": picture.width, "height": picture.height},
        "faces": [
            {"box": box.tolist(), "score": float(score), "landmarks": points.tolist()}
            for box, score, points in faces
        ],
    }


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
