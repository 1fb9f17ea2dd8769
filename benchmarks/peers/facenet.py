"""A worker of the speed benchmark: the cascade as facenet-pytorch runs it, on one thread.

::

    python facenet.py INPUTS
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import detect_face
from turns import Facts, Task, serve_tasks

MIN_FACE = 20
FACTOR = 0.709
MIN_SCORES = (0.6, 0.7, 0.7)


def main() -> None:
    """Serve the cascade."""
    torch.set_num_threads(1)
    images = np.load(Path(sys.argv[1]) / "cascade.npy", mmap_mode="r")  # (N, H, W, 3)
    networks = MTCNN(keep_all=True, device="cpu")

    def detect(item: int) -> Any:  # noqa: ANN401  as the peer returns it
        with torch.no_grad():
            boxes, _ = detect_face(
                images[item][None],
                MIN_FACE,
                networks.pnet,
                networks.rnet,
                networks.onet,
                MIN_SCORES,
                FACTOR,
                "cpu",
            )
        return boxes[0]  # (F, 5)

    serve_tasks(
        [Task("cascade", "facenet-pytorch", detect, list_boxes)],
        ("facenet-pytorch", "torch", "torchvision", "numpy"),
    )


def list_boxes(boxes: Any) -> Facts:  # noqa: ANN401  see above
    """Return the boxes without their scores."""
    return {"boxes": np.asarray(boxes, float).reshape(-1, 5)[:, :4].tolist()}


if __name__ == "__main__":
    main()
