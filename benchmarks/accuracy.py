"""How accurate each model is under each sampling, and how long it takes: one table.

::

    python benchmarks/accuracy.py --data DIR
    python benchmarks/accuracy.py --data DIR --model back --sampling area --every 1

``DIR`` holds three folders of pictures with annotations, as ``pictures.py`` describes them:

- ``wider/``: faces with ``box`` (x1, y1, x2, y2), ``wider_levels`` and ``invalid``, for the
  average precision at each level of the WIDER FACE benchmark;
- ``lfpw/``: one large labelled face with ``box``, five ``landmarks`` (left eye, right eye,
  nose, corners of the mouth, as seen in the picture) and ``iod``, the distance of the eyes;
- ``nofaces/``: nothing that should be detected.

Landmark error and false alarms are at the default score limits, precision at a low one,
since its curve needs the weak detections too.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import dist, isnan
from pathlib import Path
from statistics import fmean, median

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from phiz import catalog, detectors
from phiz.detectors import Detector
from phiz.faces import Boxes, DetectOptions, Face
from phiz.geometry import iou
from phiz.measure.precision import Judgement, average_precision, judge, together
from phiz.resample import SAMPLINGS, Sampling
from pictures import LabelledFace, Observation, observe

BLAZEFACE = ("front", "back", "full")
MODELS = (*BLAZEFACE, "mtcnn", "auto")
# MTCNN's pyramid is resized by area, whatever is asked for.
UNSAMPLED: dict[str, tuple[Sampling, ...]] = {"mtcnn": ("area",)}
LEVELS = ("easy", "medium", "hard")
POINTS = ("left_eye", "right_eye", "nose")  # the landmarks that every model has
# The labelled box is tight around the landmarks and the models' boxes are not: a limit that
# tells the labelled face from a bystander, not a good box from a bad one.
SAME_FACE_IOU = 0.3
FILE_COLUMNS = 120  # of the table where there is no terminal to ask


@dataclass(frozen=True, slots=True)
class Sample:
    """Which pictures, and the score limit of BlazeFace for precision."""

    data: Path
    every: int
    min_score: float


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one model under one sampling.

    Attributes:
        model: Its name.
        sampling: How its input was resized.
        precision: Average precision at each of ``LEVELS``, 0 to 1, None without faces.
        median_ms: Of one detection on ``wider/``, without decoding.
        mean_ms: Likewise.
        landmark_error: Median over faces of the mean distance of eyes and nose from their
            labels, % of the distance of the eyes; None without any found.
        missed: Faces of ``lfpw/`` without a detection.
        labelled: All faces of ``lfpw/``.
        alarms: Pictures of ``nofaces/`` with a detection.
        faceless: All pictures of ``nofaces/``.
    """

    model: str
    sampling: Sampling
    precision: dict[str, float | None]
    median_ms: float
    mean_ms: float
    landmark_error: float | None
    missed: int
    labelled: int
    alarms: int
    faceless: int


@click.command()
@click.option(
    "--data", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True
)
@click.option("--models", type=click.Path(path_type=Path), help="Folder of the built models.")
@click.option("--model", "names", type=click.Choice(MODELS), multiple=True, default=MODELS)
@click.option(
    "--sampling", "samplings", type=click.Choice(SAMPLINGS), multiple=True, default=SAMPLINGS
)
@click.option(
    "--every",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Take every n-th picture of wider/.",
)
@click.option(
    "--min-score",
    type=click.FloatRange(0, 1),
    default=0.2,
    show_default=True,
    help="Score limit for average precision; of BlazeFace alone, the others keep their own.",
)
@click.option("--json", "target", type=click.Path(path_type=Path), help="Write the figures here.")
def main(  # noqa: PLR0913 (one for each option)
    *,
    data: Path,
    models: Path | None,
    names: Sequence[str],
    samplings: Sequence[Sampling],
    every: int,
    min_score: float,
    target: Path | None,
) -> None:
    """Measure accuracy and time on annotated pictures."""
    rows = [
        measure(name, sampling, loaded(name, sampling, models), Sample(data, every, min_score))
        for name in names
        for sampling in (UNSAMPLED.get(name) or samplings)
    ]
    Console(width=None if sys.stdout.isatty() else FILE_COLUMNS).print(table(rows))
    if target:
        target.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")


def loaded(name: str, sampling: Sampling, models: Path | None) -> Detector:
    """Return one detector, from the given folder or the default one."""
    folder = models or catalog.default_folder()
    return detectors.load(catalog.load(), folder, sampling, [name])[name]


def measure(name: str, sampling: Sampling, detector: Detector, sample: Sample) -> Row:
    """Return all figures of one detector."""
    limit = sample.min_score if name in BLAZEFACE else None
    wider = observe(detector, sample.data / "wider", DetectOptions(min_score=limit), sample.every)
    lfpw = observe(detector, sample.data / "lfpw", DetectOptions())
    nofaces = observe(detector, sample.data / "nofaces", DetectOptions())
    milliseconds = [1000 * observation.seconds for observation in wider]
    errors = landmark_errors(lfpw)
    return Row(
        model=name,
        sampling=sampling,
        precision={level: precision(wider, level) for level in LEVELS},
        median_ms=median(milliseconds),
        mean_ms=fmean(milliseconds),
        landmark_error=100 * median(errors) if errors else None,
        missed=len(lfpw) - len(errors),
        labelled=len(lfpw),
        alarms=sum(bool(observation.faces) for observation in nofaces),
        faceless=len(nofaces),
    )


def precision(observations: Sequence[Observation], level: str) -> float | None:
    """Return the average precision at one level of WIDER FACE, 0 to 1; None without faces."""
    area = average_precision(together([judged(each, level) for each in observations]))
    return None if isnan(area) else area


def judged(observation: Observation, level: str) -> Judgement:
    """Return the judgement of one picture at one level; invalid faces never count."""
    labelled = observation.label["faces"]
    counted = [level in face["wider_levels"] and not face["invalid"] for face in labelled]
    return judge(
        boxes_of([face.box for face in observation.faces]),
        np.array([face.score for face in observation.faces], np.float32),
        boxes_of([face["box"] for face in labelled]),
        np.array(counted, bool),
    )


def landmark_errors(observations: Sequence[Observation]) -> list[float]:
    """Return the error of each labelled face that was found, in distances of its eyes."""
    pairs = [(each.label["faces"][0], each.faces) for each in observations]
    found = [(label, nearest(label, faces)) for label, faces in pairs]
    return [landmark_error(label, face) for label, face in found if face is not None]


def nearest(label: LabelledFace, faces: Sequence[Face]) -> Face | None:
    """Return the face that overlaps the labelled one most, if it is the same face."""
    overlaps = iou(boxes_of([label["box"]])[0], boxes_of([face.box for face in faces]))  # (N,)
    if overlaps.max(initial=0.0) < SAME_FACE_IOU:
        return None
    return faces[int(overlaps.argmax())]


def landmark_error(label: LabelledFace, face: Face) -> float:
    """Return the mean distance of eyes and nose from their labels, in distances of the eyes."""
    pairs = zip(POINTS, label["landmarks"], strict=False)  # the label has the mouth as well
    return fmean(dist(face.landmarks[name], point) for name, point in pairs) / label["iod"]


def boxes_of(boxes: Sequence[Sequence[float]]) -> Boxes:
    """Return boxes as an array (N, 4), also of none."""
    return np.array(boxes, np.float32).reshape(-1, 4)


def table(rows: Sequence[Row]) -> Table:
    """Return the rows for a terminal."""
    shown = Table(box=box.SIMPLE_HEAD)
    for heading in ("model", "sampling"):
        shown.add_column(heading)
    for heading in (*LEVELS, "median ms", "mean ms", "landmarks %", "missed", "false alarms"):
        shown.add_column(heading, justify="right")
    for row in rows:
        shown.add_row(
            row.model,
            row.sampling,
            *(shorten(row.precision[level], 3) for level in LEVELS),
            *(shorten(value, 2) for value in (row.median_ms, row.mean_ms, row.landmark_error)),
            f"{row.missed}/{row.labelled}",
            f"{row.alarms}/{row.faceless}",
        )
    return shown


def shorten(value: float | None, decimals: int) -> str:
    """Return a figure for the table."""
    return "-" if value is None else f"{value:.{decimals}f}"


if __name__ == "__main__":
    main()
