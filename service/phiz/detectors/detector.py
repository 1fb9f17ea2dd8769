"""The protocol that the engine sees of a detector."""

from typing import Protocol

from phiz.faces import Detections, DetectOptions
from phiz.image.lazy import LazyImage
from phiz.timings import Stopwatch


class Detector(Protocol):
    """Finds faces; holds nothing of a call, so that any number of threads may share it."""

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of a picture, best first, in its pixels.

        The stages ``decode``, ``preprocess``, ``inference`` and ``postprocess`` go to the
        stopwatch.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        ...  # pragma: no cover
