"""A worker: the cascade as facenet-pytorch runs it, on one thread.

::

    python facenet.py INPUTS

``INPUTS`` is a folder with the decoded images of the speed benchmark, or a file with the path of
an image on each line.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
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
PROPOSAL_SCORES = (0.6, 0.7)  # of P-Net and R-Net
MIN_SCORE = 0.7
LOWEST_SCORE = 0.05


def load_cascade(
    min_score: float = MIN_SCORE,
) -> Callable[[NDArray[np.uint8]], NDArray[np.float64]]:
    """Return a function that finds the faces in an image (H, W, 3): boxes and scores (F, 5)."""
    torch.set_num_threads(1)
    networks = MTCNN(keep_all=True, device="cpu")
    limits = *PROPOSAL_SCORES, min_score

    def detect(image: NDArray[np.uint8]) -> NDArray[np.float64]:
        stages = networks.pnet, networks.rnet, networks.onet
        with torch.no_grad():
            boxes, _ = detect_face(image[None], MIN_FACE, *stages, limits, FACTOR, "cpu")
        return np.asarray(boxes[0], float).reshape(-1, 5)

    return detect


def main() -> None:
    """Serve the cascade."""
    inputs, detect = Path(sys.argv[1]), load_cascade()
    if inputs.is_dir():
        images: Sequence[NDArray[np.uint8]] = np.load(inputs / "cascade.npy", mmap_mode="r")
        task = Task("cascade", "facenet-pytorch", lambda item: detect(images[item]), list_faces)
        tasks = [task]
    else:
        paths, detect_all = inputs.read_text("utf-8").splitlines(), load_cascade(LOWEST_SCORE)
        tasks = [
            Task(contest, "facenet-pytorch", partial(detect_file, search, paths), list_faces)
            for contest, search in (("faces", detect), ("faces of any score", detect_all))
        ]
    serve_tasks(tasks, ("facenet-pytorch", "torch", "torchvision", "numpy"))


def detect_file(
    detect: Callable[[NDArray[np.uint8]], NDArray[np.float64]], paths: Sequence[str], item: int
) -> NDArray[np.float64]:
    """Return the faces in the image at a place of the paths."""
    return detect(read_image(paths[item]))


def read_image(path: str) -> NDArray[np.uint8]:
    """Return an image (H, W, 3)."""
    with Pillow.open(path) as opened:
        return np.asarray(opened.convert("RGB"))


def list_faces(found: NDArray[np.float64]) -> Facts:
    """Return the boxes (F, 4) and the scores (F,)."""
    return {"boxes": found[:, :4].tolist(), "scores": found[:, 4].tolist()}


if __name__ == "__main__":
    main()
