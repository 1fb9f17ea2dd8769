"""The detector protocol of the engine."""

from typing import Protocol

from phiz.faces import Detections, DetectOptions
from phiz.image.lazy import LazyImage
from phiz.timings import Stopwatch


class Detector(Protocol):
    """Finds faces. It keeps no state of a call, so threads may share it."""

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of an image, best first, in its pixels.

        The stopwatch receives the stages ``decode``, ``preprocess``, ``inference`` and
        ``postprocess``.

        Raises:
            ImageError: The pixels cannot be decoded.
        """
        ...  # pragma: no cover
