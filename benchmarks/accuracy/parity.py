"""Whether the detectors answer what other implementations answer: one table.

::

    python -m benchmarks.accuracy.parity --data DIR

``DIR`` holds pictures with the answers of others: ``references/`` (facenet-pytorch and
MediaPipe on pictures of ``wider/`` and ``lfpw/``), ``peers/`` (pictures of other projects'
tests with the results that these expect) and ``canvases/``. Each picture has a line: faces
ours and theirs, the largest difference of a box side, of a landmark's coordinate and of a
score, and whether all are within the tolerance. Boxes of both are cut to the picture first.
The exit status is 1 if a line fails.

Pictures are resized as MediaPipe does (``reference``) and have red first, except where a
peer did otherwise; such a set says so in its name.
"""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from benchmarks.accuracy.answers import PeerCase, PeerFace, Tolerance, iterate_cases
from benchmarks.kit import report
from benchmarks.kit.options import data_option, models_option
from phiz.detectors import factory
from phiz.detectors.blazeface import BlazeFace
from phiz.detectors.detector import Detector
from phiz.faces import Face
from phiz.image.decode import decode_image
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
from phiz.lab.accuracy.labels import PHOTOGRAPH_LIMITS
from phiz.models import catalog
from phiz.timings import Stopwatch

# In the peers' order. MediaPipe's right eye is the subject's, so the viewer's left one.
BLAZEFACE_POINTS = ("left_eye", "right_eye", "nose", "mouth", "left_ear", "right_ear")
POINTS = {
    "front": BLAZEFACE_POINTS,
    "back": BLAZEFACE_POINTS,
    "full": BLAZEFACE_POINTS,
    "mtcnn": ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right"),
}


@dataclass(frozen=True, slots=True)
class Differences:
    """Numbers of faces and largest differences, infinite if the faces are not the same."""

    ours: int
    theirs: int
    box_px: float
    points_px: tuple[float, float]
    score: float


@click.command()
@data_option
@models_option
def main(data: Path, models: Path | None) -> None:
    """Compare the detectors with the answers of other implementations."""
    cases = list(iterate_cases(data))
    found = load_detectors({(case.run.model, case.run.sampling) for case in cases}, models)
    all_differences = [
        compare_case(case, found[case.run.model, case.run.sampling])
        for case in report.track_progress(cases, "comparing")
    ]
    report.print_tables(build_table(cases, all_differences))
    pairs = zip(cases, all_differences, strict=True)
    sys.exit(
        not all(is_within_tolerance(differences, case.run.tolerance) for case, differences in pairs)
    )


def load_detectors(
    wanted: Collection[tuple[str, Sampling]], models: Path | None
) -> dict[tuple[str, Sampling], Detector]:
    """Return detectors by model and sampling, from the given folder or the default one."""
    specs, folder = catalog.load_catalog(), models or catalog.get_default_folder()
    return {
        (model, sampling): use_reference_blending(
            factory.load_detectors(specs, folder, sampling, [model])[model]
        )
        for model, sampling in wanted
    }


def use_reference_blending(detector: Detector) -> Detector:
    """Return a detector that blends as peers do, whatever it samples by."""
    return replace(detector, reference=True) if isinstance(detector, BlazeFace) else detector


def compare_case(case: PeerCase, detector: Detector) -> Differences:
    """Return how far a detector's answer to one picture is from the peer's."""
    image = decode_image(case.picture.read_bytes(), PHOTOGRAPH_LIMITS)  # (H, W, 3)
    if case.run.is_blue_first:
        image = np.ascontiguousarray(image[..., ::-1])
    faces = detector.detect(LazyImage.from_array(image), case.run.options, Stopwatch()).faces
    ours = [to_face(face, POINTS[case.run.model]) for face in faces]
    height, width, _ = image.shape
    size = np.array([width, height, width, height], float)
    return measure_differences(ours, case.faces, size)


def measure_differences(
    ours: Sequence[PeerFace], theirs: Sequence[PeerFace], size: NDArray[np.float64]
) -> Differences:
    """Return how far the faces of a picture are from a peer's, its size as (w, h, w, h)."""
    pairs = pair_faces(ours, theirs, size)
    if pairs is None:
        return Differences(len(ours), len(theirs), inf, (inf, inf), inf)
    points = [np.abs(one.points - other.points).max(axis=0) for one, other in pairs]  # (2,) each
    x, y = np.max([np.zeros(2), *points], axis=0)
    return Differences(
        len(ours),
        len(theirs),
        max((measure_box_difference(one, other, size) for one, other in pairs), default=0.0),
        (float(x), float(y)),
        max((abs(one.score - other.score) for one, other in pairs), default=0.0),
    )


def to_face(face: Face, names: Sequence[str]) -> PeerFace:
    """Return a face of ours as arrays, its landmarks in the given order."""
    points = np.array([face.landmarks[name] for name in names])  # (K, 2)
    return PeerFace(np.array(face.box), points, face.score)


def pair_faces(
    ours: Sequence[PeerFace], theirs: Sequence[PeerFace], size: NDArray[np.float64]
) -> list[tuple[PeerFace, PeerFace]] | None:
    """Return each face of theirs with the nearest of ours, or None if that is not one to one."""
    if len(ours) != len(theirs):
        return None
    nearest = [
        min(range(len(ours)), key=lambda index: measure_box_difference(ours[index], other, size))
        for other in theirs
    ]
    if len(set(nearest)) != len(theirs):
        return None
    return [(ours[index], other) for index, other in zip(nearest, theirs, strict=True)]


def measure_box_difference(one: PeerFace, other: PeerFace, size: NDArray[np.float64]) -> float:
    """Return the largest difference of a box side, pixels, both cut to the picture."""
    return float(np.abs(np.clip(one.box, 0, size) - np.clip(other.box, 0, size)).max())


def is_within_tolerance(outcome: Differences, tolerance: Tolerance) -> bool:
    """Return whether all differences are within the tolerance."""
    return (
        outcome.box_px <= tolerance.box_px
        and outcome.points_px[0] <= tolerance.points_px[0]
        and outcome.points_px[1] <= tolerance.points_px[1]
        and (tolerance.score is None or outcome.score <= tolerance.score)
    )


def build_table(cases: Sequence[PeerCase], all_differences: Sequence[Differences]) -> Table:
    """Return all lines for a terminal."""
    rows = [
        (
            case.run.peer,
            case.picture.name,
            case.run.model,
            str(differences.ours),
            str(differences.theirs),
            f"{differences.box_px:.4f}",
            f"{max(differences.points_px):.4f}",
            "" if case.run.tolerance.score is None else f"{differences.score:.6f}",
            "ok" if is_within_tolerance(differences, case.run.tolerance) else "FAILS",
        )
        for case, differences in zip(cases, all_differences, strict=True)
    ]
    numbers = ("ours", "theirs", "box px", "points px", "score", "verdict")
    return report.build_table(["set", "picture", "model"], numbers, rows)


if __name__ == "__main__":
    main()
