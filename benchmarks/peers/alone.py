"""A worker of the load benchmark: the same answers without any HTTP.

::

    python alone.py PICTURE
"""

import sys
from pathlib import Path

from detector import Answer, load
from turns import Facts, Task, serve


def main() -> None:
    """Serve the detection in one picture."""
    picture = Path(sys.argv[1]).read_bytes()
    detect = load()
    serve(
        [Task("answer", "in process", lambda _: detect(picture), tell)],
        ("phiz", "onnxruntime", "numpy", "pillow", "simplejpeg"),
    )


def tell(answer: Answer) -> Facts:
    """Return the faces."""
    return {"faces": answer["faces"]}


if __name__ == "__main__":
    main()
