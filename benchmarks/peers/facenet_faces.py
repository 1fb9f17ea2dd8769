"""What facenet-pytorch's cascade finds in pictures, one line of JSON for each.

::

    python facenet_faces.py < PATHS

A line of standard input is the path of a picture; the answer is a list of x1, y1, x2, y2 and
the score of each face.
"""

import json
import sys

import numpy as np
from facenet import load_cascade
from PIL import Image as Pillow


def main() -> None:
    """Answer every line."""
    detect = load_cascade()
    for line in sys.stdin:
        with Pillow.open(line.rstrip("\n")) as opened:
            image = np.asarray(opened.convert("RGB"))
        print(json.dumps(detect(image).tolist()), flush=True)


if __name__ == "__main__":
    main()
