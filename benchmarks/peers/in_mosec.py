"""A server of the load benchmark: phiz's detector in mosec.

::

    python in_mosec.py --address 127.0.0.1 --port PORT

mosec takes the body as it is and has no forms, so that it is sent the picture alone.
"""

from detector import Answer, load_detector
from mosec import Server, Worker


class Detector(Worker):  # type: ignore[misc]  # its types are in an environment of its own
    """Finds faces."""

    def __init__(self) -> None:
        """Load the model, in the process that works."""
        super().__init__()
        self._detect = load_detector()

    def deserialize(self, data: bytes) -> bytes:
        """Return the body as it is; without this it would have to be JSON."""
        return data

    def forward(self, data: bytes) -> Answer:
        """Return the answer, which is made JSON of by default."""
        return self._detect(data)


def main() -> None:
    """Serve on the port that the arguments name; mosec reads them itself."""
    server = Server()
    server.append_worker(Detector, num=1)
    server.run()


if __name__ == "__main__":
    main()
