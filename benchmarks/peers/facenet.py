"""A worker of the speed benchmark: the cascade as facenet-pytorch runs it, on one thread.

::

    python facenet.py INPUTS
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import detect_face
from numpy.typing import NDArray
from turns import Facts, Task, serve_tasks

MIN_FACE = 20
FACTOR = 0.709
MIN_SCORES = (0.6, 0.7, 0.7)


def load_cascade() -> Callable[[NDArray[np.uint8]], NDArray[np.float64]]:
    """Return what finds the faces in a picture (H, W, 3): boxes and scores (F, 5)."""
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
    images = np.load(Path(sys.argv[1]) / "cascade.npy", mmap_mode="r")  # (N, H, W, 3)
    detect = load_cascade()
    serve_tasks(
        [Task("cascade", "facenet-pytorch", lambda item: detect(images[item]), list_boxes)],
        ("facenet-pytorch", "torch", "torchvision", "numpy"),
    )


def list_boxes(boxes: NDArray[np.float64]) -> Facts:
    """Return the boxes (F, 5) without their scores."""
    return {"boxes": boxes[:, :4].tolist()}


if __name__ == "__main__":
    main()
