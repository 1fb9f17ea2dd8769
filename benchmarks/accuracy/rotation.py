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
    upright = [
        detector.detect(LazyImage.from_array(image), OPTIONS, Stopwatch()).faces for image in images
    ]
    known = [(image, faces[0]) for image, faces in zip(images, upright, strict=True) if faces]
    shares = []
    for quarters in range(4):
        same, (detector_calls, orientation_calls) = [], wrap_detectors(detector)
        for image, best in known:
            rotated = LazyImage.from_array(np.ascontiguousarray(np.rot90(image, -quarters)))
            found = detect_with_rotation(
                detector_calls, orientation_calls, rotated, OPTIONS, Stopwatch()
            ).faces
            truth = rotate_box(best, image.shape, quarters)
            same.append(box_iou(truth, to_boxes(found)).max(initial=0) >= SAME_IOU)
        shares.append(
            f"{90 * quarters}°: {np.mean(same):.1%}, "
            f"{describe_calls(detector_calls, orientation_calls, len(known))}"
        )
    return "; ".join(shares)


def describe_false_alarms(detector: Detector, images: Sequence[RgbImage]) -> str:
    """Return in words how many pictures without faces have some, as they are and turned."""
    detector_calls, orientation_calls = wrap_detectors(detector)
    plain = sum(
        bool(detector.detect(LazyImage.from_array(image), OPTIONS, Stopwatch()).faces)
        for image in images
    )
    turned = sum(
        bool(
            detect_with_rotation(
                detector_calls, orientation_calls, LazyImage.from_array(image), OPTIONS, Stopwatch()
            ).faces
        )
        for image in images
    )
    times = describe_calls(detector_calls, orientation_calls, len(images))
    return f"false alarms {plain}, with rotate {turned} of {len(images)}; {times}"


def wrap_detectors(detector: Detector) -> tuple[CountingDetector, CountingDetector]:
    """Return a detector and its orientation detector, which count; they may be one."""
    counting, orientation = CountingDetector(detector, []), get_orientation_detector(detector)
    return counting, counting if orientation is detector else CountingDetector(orientation, [])


def describe_calls(
    detector_calls: CountingDetector, orientation_calls: CountingDetector, images: int
) -> str:
    """Return in words how often a picture was looked at."""
    times = f"{len(detector_calls.calls) / images:.2f} looks"
    if orientation_calls is detector_calls:
        return times
    return f"{times} and {len(orientation_calls.calls) / images:.2f} of its compass"


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
