"""How many covered faces a detector still finds, and how many faces the defaults cover.

::

    python -m benchmarks.accuracy.covering --data DIR [--every N]

``DIR/lfpw`` has one large labelled face per image, as ``phiz evaluate`` reads it. Each image is
covered as ``/blur`` does by default. A face is found again if a model has a score of at least 0.5
for a face that lies in the grown box of the label.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from benchmarks.kit.options import data_option, models_option
from phiz.boxes.geometry import box_iou
from phiz.editing.options import BlurOptions
from phiz.editing.redact import cover_faces
from phiz.engine import Engine, build_engine
from phiz.faces import Boxes, DetectOptions, Face
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS, read_annotations
from phiz.lab.accuracy.predictions import to_boxes
from phiz.options import BLUR_OPTIONS, BlurKind
from phiz.timings import Stopwatch

FOUND_SCORE: Final = 0.5
SAME_IOU: Final = 0.1  # of a found face and the label: a wide net
COVERED_SHARE: Final = 0.8  # of a label, by one of the grown boxes
KINDS: Final[Sequence[BlurKind]] = ("mosaic", "blur", "solid")


@dataclass(slots=True)
class Portrait:
    """A labelled image, and the faces that the defaults find in it."""

    image_bytes: bytes
    label: Boxes
    faces: tuple[Face, ...]


@click.command()
@data_option
@models_option
@click.option("--every", type=click.IntRange(min=1), default=1, help="Take every n-th image.")
def main(data: Path, models: Path, every: int) -> None:
    """Measure covered faces."""
    engine = build_engine(models, "half-pixel", PHOTOGRAPH_LIMITS)
    portraits = [
        Portrait(image_bytes, label, find_faces(engine, image_bytes))
        for label, image_bytes in read_portraits(data / "lfpw", every)
    ]
    covered = sum(is_covered(portrait) for portrait in portraits)
    click.echo(f"covered {covered} of {len(portraits)} labelled faces")
    for kind in KINDS:
        options = BlurOptions(kind)
        counts = count_found(engine, portraits, options)
        words = ", ".join(f"{model} {count}" for model, count in counts.items())
        click.echo(f"{kind}: found again {words}")


def read_portraits(folder: Path, every: int) -> list[tuple[Boxes, bytes]]:
    """Return the labelled box (1, 4) of each image, and its bytes."""
    return [
        (label.faces[:1], label.path.read_bytes()) for label in read_annotations(folder)[::every]
    ]


def find_faces(engine: Engine, image_bytes: bytes) -> tuple[Face, ...]:
    """Return the faces that ``/blur`` finds by default."""
    defaults: Mapping[str, Any] = {
        name: BLUR_OPTIONS[name].default for name in ("min_score", "max_faces", "rotate")
    }
    model = BLUR_OPTIONS["model"].default
    return engine.detect(image_bytes, model, DetectOptions(**defaults), Stopwatch()).faces


def is_covered(portrait: Portrait) -> bool:
    """Return whether one of the grown boxes covers most of the labelled face."""
    return any(
        compute_covered_share(portrait.label[0], grow_box(face)) >= COVERED_SHARE
        for face in portrait.faces
    )


def grow_box(face: Face) -> tuple[float, float, float, float]:
    """Return the box of a face, grown as by default."""
    x1, y1, x2, y2 = face.box
    grow = BlurOptions().grow * max(x2 - x1, y2 - y1)
    return x1 - grow, y1 - grow, x2 + grow, y2 + grow


def compute_covered_share(label: Sequence[float] | Boxes, box: Sequence[float]) -> float:
    """Return the share of a label that a box covers."""
    x1, y1, x2, y2 = label
    width = min(x2, box[2]) - max(x1, box[0])
    height = min(y2, box[3]) - max(y1, box[1])
    return float(max(0.0, width) * max(0.0, height) / ((x2 - x1) * (y2 - y1)))


def count_found(
    engine: Engine, portraits: Sequence[Portrait], options: BlurOptions
) -> dict[str, int]:
    """Return in how many images each model finds the labelled face again, and any of them."""
    counts = dict.fromkeys((*engine.detectors, "any"), 0)
    for portrait in portraits:
        faces = portrait.faces
        covered = cover_faces(portrait.image_bytes, faces, options, engine.limits).content
        found = [model for model in engine.detectors if is_found(engine, model, covered, portrait)]
        for model in [*found, *(["any"] if found else [])]:
            counts[model] += 1
    return counts


def is_found(engine: Engine, model: str, image_bytes: bytes, portrait: Portrait) -> bool:
    """Return whether a model finds the labelled face of a covered image."""
    options = DetectOptions(min_score=FOUND_SCORE)
    faces = engine.detect(image_bytes, model, options, Stopwatch()).faces
    return bool((box_iou(portrait.label[0], to_boxes(faces)) > SAME_IOU).any())


if __name__ == "__main__":
    main()
