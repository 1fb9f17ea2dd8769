"""The protocol that the engine sees of a detector."""

from typing import Protocol

from phiz.faces import Detections, DetectOptions, Image
from phiz.timings import Stopwatch


class Detector(Protocol):
    """Finds faces; holds nothing of a call, so that any number of threads may share it."""

    def detect(self, image: Image, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of a picture (H, W, 3), best first, in its pixels.

        The stages ``preprocess``, ``inference`` and ``postprocess`` go to the stopwatch.
        """
        ...  # pragma: no cover
