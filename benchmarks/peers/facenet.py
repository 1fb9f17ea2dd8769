"""A worker: the cascade as facenet-pytorch runs it, on one thread.

::

    python facenet.py INPUTS

``INPUTS`` is a folder with the decoded images of the speed benchmark, or a file with the path of
an image on each line.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import detect_face
from numpy.typing import NDArray
from PIL import Image as Pillow
from turns import Facts, Task, serve_tasks

MIN_FACE = 20
FACTOR = 0.709
MIN_SCORES = (0.6, 0.7, 0.7)


def load_cascade() -> Callable[[NDArray[np.uint8]], NDArray[np.float64]]:
    """Return a function that finds the faces in an image (H, W, 3): boxes and scores (F, 5)."""
    torch.set_num_threads(1)
    networks = MTCNN(keep_all=True, device="cpu")

    def detect(image: NDArray[np.uint8]) -> NDArray[np.float64]:
        stages = networks.pnet, networks.rnet, networks.onet
        with torch.no_grad():
            boxes, _ = detect_face(image[None], MIN_FACE, *stages, MIN_SCORES, FACTOR, "cpu")
        return np.asarray(boxes[0], float).reshape(-1, 5)

    return detect


def main() -> None:
    """Serve the cascade."""
    inputs, detect = Path(sys.argv[1]), load_cascade()
    if inputs.is_dir():
        images: Sequence[NDArray[np.uint8]] = np.load(inputs / "cascade.npy", mmap_mode="r")
        task = Task("cascade", "facenet-pytorch", lambda item: detect(images[item]), list_faces)
    else:
        paths = inputs.read_text("utf-8").splitlines()
        task = Task(
            "faces", "facenet-pytorch", lambda item: detect(read_image(paths[item])), list_faces
        )
    serve_tasks([task], ("facenet-pytorch", "torch", "torchvision", "numpy"))


def read_image(path: str) -> NDArray[np.uint8]:
    """Return an image (H, W, 3)."""
    with Pillow.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def list_faces(found: NDArray[np.float64]) -> Facts:
    """Return the boxes (F, 4) and the scores (F,)."""
    return {"boxes": found[:, :4].tolist(), "scores": found[:, 4].tolist()}


if __name__ == "__main__":
    main()
