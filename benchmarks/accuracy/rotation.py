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

from phiz.boxes.geometry import iou
from phiz.detectors import factory
from phiz.detectors.detector import Detector
from phiz.detectors.rotation import compass_of, detect_upright
from phiz.faces import Boxes, Detections, DetectOptions, Face, Image
from phiz.image.decode import decode
from phiz.image.lazy import Picture
from phiz.lab.accuracy.labels import LIMITS, read_folder
from phiz.lab.accuracy.predictions import boxes_of
from phiz.models import catalog
from phiz.timings import Stopwatch

MODELS = ("front", "back", "full", "mtcnn", "auto")
SAME_IOU = 0.7
OPTIONS = DetectOptions()


@dataclass(frozen=True, slots=True)
class Looks:
    """A detector that counts how often it looks at a picture."""

    detector: Detector
    times: list[int]

    def detect(self, picture: Picture, options: DetectOptions, stopwatch: Stopwatch) -> Detections:
        """Return what the detector finds."""
        self.times.append(1)
        return self.detector.detect(picture, options, stopwatch)


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--model", "names", type=click.Choice(MODELS), multiple=True, default=MODELS)
@click.option("--every", type=click.IntRange(min=1), default=1, help="Take every n-th picture.")
def main(data: Path, names: Sequence[str], every: int) -> None:
    """Measure detection in turned pictures."""
    for name in names:
        detector = factory.load(catalog.load(), catalog.default_folder(), "half-pixel", [name])[
            name
        ]
        click.echo(f"{name}: {portraits(detector, images(data / 'lfpw', every))}")
        click.echo(f"{name}: {alarms(detector, images(data / 'nofaces', every))}")


def images(folder: Path, every: int) -> list[Image]:
    """Return every n-th picture of a folder."""
    return [decode(label.path.read_bytes(), LIMITS) for label in read_folder(folder)[::every]]


def portraits(detector: Detector, pictures: Sequence[Image]) -> str:
    """Return in words how often the best face of a picture is found again when it is turned."""
    upright = [detector.detect(Picture.of(image), OPTIONS, Stopwatch()).faces for image in pictures]
    known = [(image, faces[0]) for image, faces in zip(pictures, upright, strict=True) if faces]
    shares = []
    for quarters in range(4):
        same, (looks, compass) = [], watched(detector)
        for image, best in known:
            turned = Picture.of(np.ascontiguousarray(np.rot90(image, -quarters)))
            found = detect_upright(looks, compass, turned, OPTIONS, Stopwatch()).faces
            truth = turned_box(best, image.shape, quarters)
            same.append(iou(truth, boxes_of(found)).max(initial=0) >= SAME_IOU)
        shares.append(f"{90 * quarters}°: {np.mean(same):.1%}, {told(looks, compass, len(known))}")
    return "; ".join(shares)


def alarms(detector: Detector, pictures: Sequence[Image]) -> str:
    """Return in words how many pictures without faces have some, as they are and turned."""
    looks, compass = watched(detector)
    plain = sum(
        bool(detector.detect(Picture.of(image), OPTIONS, Stopwatch()).faces) for image in pictures
    )
    turned = sum(
        bool(detect_upright(looks, compass, Picture.of(image), OPTIONS, Stopwatch()).faces)
        for image in pictures
    )
    times = told(looks, compass, len(pictures))
    return f"false alarms {plain}, with rotate {turned} of {len(pictures)}; {times}"


def watched(detector: Detector) -> tuple[Looks, Looks]:
    """Return a detector and its compass, which count; they are one where it needs no other."""
    looks, compass = Looks(detector, []), compass_of(detector)
    return looks, looks if compass is detector else Looks(compass, [])


def told(looks: Looks, compass: Looks, pictures: int) -> str:
    """Return in words how often a picture was looked at."""
    times = f"{len(looks.times) / pictures:.2f} looks"
    if compass is looks:
        return times
    return f"{times} and {len(compass.times) / pictures:.2f} of its compass"


def turned_box(face: Face, shape: tuple[int, ...], quarters: int) -> Boxes:
    """Return the box (4,) of a face in a picture (H, W, 3) that is turned to the right."""
    x1, y1, x2, y2 = face.box
    height, width = shape[:2]
    for _ in range(quarters):
        x1, y1, x2, y2 = height - y2, x1, height - y1, x2
        height, width = width, height
    return np.array([x1, y1, x2, y2], np.float32)


if __name__ == "__main__":
    main()
