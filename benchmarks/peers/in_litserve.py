"""A server of the load benchmark: phiz's detector in LitServe.

::

    python in_litserve.py PORT
"""

import sys
from typing import Any

from detector import Answer, load_detector
from fastapi import Request
from litserve import LitAPI, LitServer


class Detector(LitAPI):  # type: ignore[misc]  # its types are in an environment of its own
    """Finds faces."""

    def setup(self, device: str) -> None:  # noqa: ARG002  the processor
        """Load the model, in the process that works."""
        self._detect = load_detector()

    def decode_request(self, request: Request) -> bytes:
        """Return the picture of a form; the annotation asks for one, and not for JSON."""
        form: Any = request
        image_bytes: bytes = form["image"].file.read()
        return image_bytes

    def predict(self, x: bytes) -> Answer:
        """Return the answer, which is made JSON of by default."""
        return self._detect(x)


def main() -> None:
    """Serve."""
    server = LitServer(
        Detector(api_path="/detect"), accelerator="cpu", workers_per_device=1, timeout=30
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
