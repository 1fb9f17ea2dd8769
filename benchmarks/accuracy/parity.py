"""Whether the detectors give the answers of other implementations: one table.

::

    python -m benchmarks.accuracy.parity --data DIR

``DIR`` holds images with the answers of others: ``references/`` (facenet-pytorch and MediaPipe
on images of ``wider/`` and ``lfpw/``), ``peers/`` (images of other projects' tests with their
expected results) and ``canvases/``. Each image has a line: faces ours and theirs, the largest
difference of a box side, of a landmark's coordinate and of a score, and whether all are within
the tolerance. Boxes of both are clipped to the image first. The exit status is 1 if a line fails.

Images are resized as MediaPipe does (``reference``) and have red first, except where a peer did
otherwise; such a set says so in its name.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from scipy.optimize import linear_sum_assignment

from benchmarks.accuracy import answers
from benchmarks.kit.options import data_option, models_option
from benchmarks.kit.report import build_table, print_tables
from phiz.detectors import factory
from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.detector import Detector
from phiz.image.decode import decode_image
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.lab.commands.progress import track_items
from phiz.models import catalog
from phiz.timings import Stopwatch


@dataclass(frozen=True, slots=True)
class Differences:
    """Numbers of faces and largest differences, infinite if the numbers are not the same."""

    ours: int
    theirs: int
    box_px: float = inf
    points_px: tuple[float, float] = (inf, inf)
    score: float = inf

    def is_within(self, tolerance: answers.Tolerance) -> bool:
        """Return whether all differences are within the tolerance."""
        return (
            self.box_px <= tolerance.box_px
            and self.points_px[0] <= tolerance.points_px[0]
            and self.points_px[1] <= tolerance.points_px[1]
            and (tolerance.score is None or self.score <= tolerance.score)
        )


@click.command()
@data_option
@models_option
def main(data: Path, models: Path) -> None:
    """Compare the detectors with the answers of other implementations."""
    cases = list(answers.iterate_cases(data))
    load = cache(lambda model, sampling: load_detector(models, model, sampling))
    differences = [
        compare_case(case, load(case.run.model, case.run.sampling))
        for case in track_items(cases, "comparing")
    ]
    print_tables(build_case_table(cases, differences))
    pairs = zip(cases, differences, strict=True)
    sys.exit(not all(each.is_within(case.run.tolerance) for case, each in pairs))


def load_detector(models: Path, model: str, sampling: Sampling) -> Detector:
    """Return a detector that blends as peers do, whatever it samples by."""
    detector = factory.load_detectors(catalog.load_catalog(), models, sampling, [model])[model]
    return replace(detector, reference=True) if isinstance(detector, BlazeFace) else detector


def compare_case(case: answers.PeerCase, detector: Detector) -> Differences:
    """Return how far a detector's answer to one image is from the peer's."""
    image = decode_image(case.image_path.read_bytes(), PHOTOGRAPH_LIMITS)  # (H, W, 3)
    if case.run.is_blue_first:
        image = np.ascontiguousarray(image[..., ::-1])
    faces = detector.detect(LazyImage.from_array(image), case.run.options, Stopwatch()).faces
    model = case.run.model
    points = [[face.landmarks[name] for name in answers.POINTS[model]] for face in faces]
    scores = [face.score for face in faces]
    ours = answers.make_faces(model, [face.box for face in faces], points, scores)
    height, width, _ = image.shape
    return measure_differences(ours, case.faces, np.array([width, height, width, height], float))


def measure_differences(
    ours: answers.PeerFaces, theirs: answers.PeerFaces, size: NDArray[np.float64]
) -> Differences:
    """Return how far the faces of an image are from a peer's, its size as (w, h, w, h)."""
    counts = len(ours.scores), len(theirs.scores)
    if counts[0] != counts[1]:
        return Differences(*counts)
    boxes, their_boxes = (np.clip(each.boxes, 0, size) for each in (ours, theirs))
    sides_px = np.abs(boxes[:, None] - their_boxes).max(axis=-1)  # (N, N), ours by theirs
    one, other = linear_sum_assignment(sides_px)  # (N,) each
    x, y = np.abs(ours.points[one] - theirs.points[other]).max(axis=(0, 1), initial=0)  # (2,)
    scores = np.abs(ours.scores[one] - theirs.scores[other])
    box_px = float(sides_px[one, other].max(initial=0))
    return Differences(*counts, box_px, (float(x), float(y)), float(scores.max(initial=0)))


def build_case_table(
    cases: Sequence[answers.PeerCase], differences: Sequence[Differences]
) -> Table:
    """Return all lines for a terminal."""
    rows = [
        (
            case.run.peer,
            case.image_path.name,
            case.run.model,
            str(each.ours),
            str(each.theirs),
            f"{each.box_px:.4f}",
            f"{max(each.points_px):.4f}",
            "" if case.run.tolerance.score is None else f"{each.score:.6f}",
            "ok" if each.is_within(case.run.tolerance) else "FAILS",
        )
        for case, each in zip(cases, differences, strict=True)
    ]
    numbers = ("ours", "theirs", "box px", "points px", "score", "verdict")
    return build_table(["set", "picture", "model"], numbers, rows)


if __name__ == "__main__":
    main()
