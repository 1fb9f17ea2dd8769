"""Whether rotated images have the same faces under ``rotate=auto``, and the calls that it takes.

::

    python -m benchmarks.accuracy.rotation --data DIR

``DIR`` holds folders as ``phiz evaluate`` reads them: ``lfpw/`` with one large labelled face per
image, ``nofaces/`` with nothing to detect. The truth of a rotated image is what the model finds
in it upright, without ``rotate``. False alarms are counted with and without.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from benchmarks.kit.options import data_option, model_option, models_option
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

SAME_IOU = 0.7
OPTIONS = DetectOptions()


@dataclass(slots=True)
class CountingDetector:
    """A detector that counts its calls."""

    detector: Detector
    calls: int = 0

    def detect(self, image: LazyImage, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return the faces that the detector finds."""
        self.calls += 1
        return self.detector.detect(image, options, stopwatch)


@click.command()
@data_option
@models_option
@model_option
@click.option("--every", type=click.IntRange(min=1), default=1, help="Take every n-th image.")
def main(data: Path, models: Path, names: Sequence[str], every: int) -> None:
    """Measure detection in rotated images."""
    portraits, faceless = (
        [
            decode_image(label.path.read_bytes(), PHOTOGRAPH_LIMITS)
            for label in read_annotations(data / name)[::every]
        ]
        for name in ("lfpw", "nofaces")
    )
    detectors = factory.load_detectors(catalog.load_catalog(), models, "half-pixel", names)
    for name in names:
        click.echo(f"{name}: {describe_portraits(detectors[name], portraits)}")
        click.echo(f"{name}: {describe_false_alarms(detectors[name], faceless)}")


def describe_portraits(detector: Detector, images: Sequence[RgbImage]) -> str:
    """Return in words how often the best face of an image is found again when it is rotated."""
    pairs = zip(images, detect_upright(detector, images), strict=True)
    known = [(image, found.faces[0]) for image, found in pairs if found.faces]
    shares = []
    for quarters in range(4):
        rotated = [np.ascontiguousarray(np.rot90(image, -quarters)) for image, _ in known]
        found, calls = detect_rotated(detector, rotated)
        truths = (rotate_box(best, image.shape, quarters) for image, best in known)
        same = [
            box_iou(truth, to_boxes(each.faces)).max(initial=0) >= SAME_IOU
            for truth, each in zip(truths, found, strict=True)
        ]
        shares.append(f"{90 * quarters}°: {np.mean(same):.1%}, {calls}")
    return "; ".join(shares)


def describe_false_alarms(detector: Detector, images: Sequence[RgbImage]) -> str:
    """Return in words how many images without faces have some, with and without ``rotate``."""
    upright = sum(bool(each.faces) for each in detect_upright(detector, images))
    found, calls = detect_rotated(detector, images)
    rotated = sum(bool(each.faces) for each in found)
    return f"false alarms {upright}, with rotate {rotated} of {len(images)}; {calls}"


def detect_upright(detector: Detector, images: Iterable[RgbImage]) -> list[Detections]:
    """Return the faces of images without ``rotate``."""
    return [detector.detect(LazyImage.from_array(each), OPTIONS, Stopwatch()) for each in images]


def detect_rotated(detector: Detector, images: Sequence[RgbImage]) -> tuple[list[Detections], str]:
    """Return the faces of images under ``rotate=auto``, and in words the calls per image."""
    counting, orientation = CountingDetector(detector), get_orientation_detector(detector)
    helper = counting if orientation is detector else CountingDetector(orientation)
    found = [
        detect_with_rotation(counting, helper, LazyImage.from_array(each), OPTIONS, Stopwatch())
        for each in images
    ]
    calls = f"{counting.calls / len(images):.2f} calls"
    if helper is not counting:
        calls += f" and {helper.calls / len(images):.2f} of its orientation detector"
    return found, calls


def rotate_box(face: Face, shape: tuple[int, ...], quarters: int) -> Boxes:
    """Return the box (4,) of a face in an image (H, W, 3) that is rotated clockwise."""
    x1, y1, x2, y2 = face.box
    height, width = shape[:2]
    for _ in range(quarters):
        x1, y1, x2, y2 = height - y2, x1, height - y1, x2
        height, width = width, height
    return np.array([x1, y1, x2, y2], np.float32)


if __name__ == "__main__":
    main()
