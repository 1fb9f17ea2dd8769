"""What facenet-pytorch's cascade finds in pictures, one line of JSON for each.

::

    python facenet_faces.py < PATHS

A line of standard input is the path of a picture; the answer is a list of x1, y1, x2, y2 and
the score of each face.
"""

import json
import sys

import numpy as np
import torch
from facenet import FACTOR, MIN_FACE, MIN_SCORES
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import detect_face
from PIL import Image as Pillow


def main() -> None:
    """Answer every line."""
    torch.set_num_threads(1)
    networks = MTCNN(keep_all=True, device="cpu")
    for line in sys.stdin:
        with Pillow.open(line.rstrip("\n")) as opened:
            image = np.asarray(opened.convert("RGB"))
        with torch.no_grad():
            boxes, _ = detect_face(
                image[None],
                MIN_FACE,
                networks.pnet,
                networks.rnet,
                networks.onet,
                MIN_SCORES,
                FACTOR,
                "cpu",
            )
        faces = np.asarray(boxes[0], float).reshape(-1, 5)  # (F, 5)
        print(json.dumps(faces.tolist()), flush=True)


if __name__ == "__main__":
    main()
