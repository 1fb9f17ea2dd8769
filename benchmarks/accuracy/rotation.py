"""Whether turned pictures have the same faces under ``rotate=auto``, and what that costs.

::

    python -m benchmarks.accuracy.rotation --data DIR

``DIR`` holds folders as ``phiz evaluate`` reads them: ``lfpw/`` with one large labelled face a
picture, ``nofaces/`` with nothing to detect. The truth of a turned picture is what the model
finds in it upright, without ``rotate``. False alarms are counted with and without.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.kit.options import data_option
from phiz.boxes.geometry import box_iou
from phiz.detectors import factory
from phiz.detectors.detector import Detector
from phiz.detectors.rotation import detect_with_rotation, get_orientation_detector
from phiz.faces import Boxes, Detections, DetectOptions, Face, RgbImage
from phiz.image.decode import decode_image
from phiz.image.lazy import LazyImage
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS, read_annotations
from phiz.lab.accuracy.predictions import to_boxes
from phiz.models import catalog
from phiz.timings import Stopwatch

MODELS = ("front", "back", "full", "mtcnn", "auto")
SAME_IOU = 0.7
OPTIONS = DetectOptions()


@dataclass(frozen=True, slots=True)
class CountingDetector:
    """A detector that counts how often it looks at a picture."""

    detector: Detector
    calls: list[int]

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return what the detector finds."""
        self.calls.append(1)
        return self.detector.detect(image, options, stopwatch)


@dataclass(slots=True)
class RotatingDetector:
    """A detector with ``rotate=auto`` that counts how often it looks at a picture.

    Attributes:
        detector: Finds the faces.
        orientation: Finds the orientation; may be the same.
        images: Number of pictures so far.
    """

    detector: CountingDetector
    orientation: CountingDetector
    images: int = 0

    @classmethod
    def wrap(cls, detector: Detector) -> "RotatingDetector":
        """Return a detector that counts."""
        counting, orientation = CountingDetector(detector, []), get_orientation_detector(detector)
        is_one = orientation is detector
        return cls(counting, counting if is_one else CountingDetector(orientation, []))

    def detect(self, image: RgbImage) -> Detections:
        """Return the faces of a picture."""
        self.images += 1
        lazy = LazyImage.from_array(image)
        return detect_with_rotation(self.detector, self.orientation, lazy, OPTIONS, Stopwatch())

    def describe_calls(self) -> str:
        """Return in words how often a picture was looked at."""
        times = f"{len(self.detector.calls) / self.images:.2f} looks"
        if self.orientation is self.detector:
            return times
        return f"{times} and {len(self.orientation.calls) / self.images:.2f} of its compass"


@click.command()
@data_option
@click.option("--model", "names", type=click.Choice(MODELS), multiple=True, default=MODELS)
@click.option("--every", type=click.IntRange(min=1), default=1, help="Take every n-th picture.")
def main(data: Path, names: Sequence[str], every: int) -> None:
    """Measure detection in turned pictures."""
    for name in names:
        detector = factory.load_detectors(
            catalog.load_catalog(), catalog.get_default_folder(), "half-pixel", [name]
        )[name]
        click.echo(f"{name}: {describe_portraits(detector, decode_images(data / 'lfpw', every))}")
        click.echo(
            f"{name}: {describe_false_alarms(detector, decode_images(data / 'nofaces', every))}"
        )


def decode_images(folder: Path, every: int) -> list[RgbImage]:
    """Return every n-th picture of a folder."""
    return [
        decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS)
        for label in read_annotations(folder)[::every]
    ]


def describe_portraits(detector: Detector, images: Sequence[RgbImage]) -> str:
    """Return in words how often the best face of a picture is found again when it is turned."""
    upright = [detector.detect(LazyImage.from_array(each), OPTIONS, Stopwatch()) for each in images]
    pairs = zip(images, upright, strict=True)
    known = [(image, found.faces[0]) for image, found in pairs if found.faces]
    shares = []
    for quarters in range(4):
        same, counting = [], RotatingDetector.wrap(detector)
        for image, best in known:
            found = counting.detect(np.ascontiguousarray(np.rot90(image, -quarters)))
            truth = rotate_box(best, image.shape, quarters)
            same.append(box_iou(truth, to_boxes(found.faces)).max(initial=0) >= SAME_IOU)
        shares.append(f"{90 * quarters}°: {np.mean(same):.1%}, {counting.describe_calls()}")
    return "; ".join(shares)


def describe_false_alarms(detector: Detector, images: Sequence[RgbImage]) -> str:
    """Return in words how many pictures without faces have some, as they are and turned."""
    counting = RotatingDetector.wrap(detector)
    found = [detector.detect(LazyImage.from_array(each), OPTIONS, Stopwatch()) for each in images]
    plain, turned = (
        sum(bool(each.faces) for each in answers)
        for answers in (found, [counting.detect(each) for each in images])
    )
    times = counting.describe_calls()
    return f"false alarms {plain}, with rotate {turned} of {len(images)}; {times}"


def rotate_box(face: Face, shape: tuple[int, ...], quarters: int) -> Boxes:
    """Return the box (4,) of a face in a picture (H, W, 3) that is turned to the right."""
    x1, y1, x2, y2 = face.box
    height, width = shape[:2]
    for _ in range(quarters):
        x1, y1, x2, y2 = height - y2, x1, height - y1, x2
        height, width = width, height
    return np.array([x1, y1, x2, y2], np.float32)


if __name__ == "__main__":
    main()
