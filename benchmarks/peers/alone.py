"""A worker of the load benchmark: the same answers without any HTTP.

::

    python alone.py PICTURE
"""

import sys
from pathlib import Path

from detector import Answer, load_detector
from turns import Facts, Task, serve_tasks


def main() -> None:
    """Serve the detection in one picture."""
    image_bytes = Path(sys.argv[1]).read_bytes()
    detect = load_detector()
    serve_tasks(
        [Task("answer", "in process", lambda _: detect(image_bytes), list_faces)],
        ("phiz", "onnxruntime", "numpy", "pillow", "simplejpeg"),
    )


def list_faces(answer: Answer) -> Facts:
    """Return the faces."""
    return {"faces": answer["faces"]}


if __name__ == "__main__":
    main()
