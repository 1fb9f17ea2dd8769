"""The model that picks a model: the fastest first, a stronger one where it finds nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

from phiz.detectors.detector import Detector
from phiz.faces import Detections, DetectOptions, Step
from phiz.picture import Picture
from phiz.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class Auto:
    """Detectors in the order in which they are tried."""

    detectors: Mapping[str, Detector]

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces of the first detector that finds any, and the route to it."""
        found = Detections(())
        route: tuple[Step, ...] = ()
        for name, detector in self.detectors.items():
            found = detector.detect(picture, options, stopwatch)
            route += (Step(name, len(found.faces), _why(route)),)
            if found.faces:
                break
        return Detections(found.faces, route)


def _why(before: tuple[Step, ...]) -> str:
    if not before:
        return "the fastest model is tried first"
    return f"{' and '.join(step.model for step in before)} found no face"
