"""Annotated pictures, and what a detector answers to them.

A folder of pictures has ``images/`` and ``annotations.json``, a list of ``Label``.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from rich.console import Console
from rich.progress import track

from phiz.detectors import Detector
from phiz.faces import DetectOptions, Face
from phiz.image import Limits, open_picture
from phiz.timings import Stopwatch

LIMITS = Limits(max_bytes=50_000_000, max_pixels=100_000_000)


class LabelledFace(TypedDict):
    """One face of an ``annotations.json``; each folder gives what its measure needs."""

    box: tuple[float, float, float, float]
    wider_levels: list[str]  # wider
    invalid: bool  # wider
    landmarks: list[tuple[float, float]]  # lfpw
    iod: float  # lfpw


class Label(TypedDict):
    """One picture of an ``annotations.json``."""

    image: str
    faces: list[LabelledFace]


@dataclass(frozen=True, slots=True)
class Observation:
    """What a detector answered to one picture, and in how many seconds, decoding included."""

    label: Label
    faces: tuple[Face, ...]
    seconds: float


def observe(
    detector: Detector, folder: Path, options: DetectOptions, every: int = 1
) -> list[Observation]:
    """Return what a detector answers to every n-th picture of a folder."""
    labels: list[Label] = json.loads((folder / "annotations.json").read_text())[::every]
    observations = []
    for label in track(
        labels, folder.name, console=Console(stderr=True), disable=not sys.stderr.isatty()
    ):
        data = (folder / "images" / label["image"]).read_bytes()
        stopwatch = Stopwatch()
        picture = open_picture(data, LIMITS)
        faces = detector.detect(picture, options, stopwatch).faces
        observations.append(Observation(label, faces, stopwatch.timings().total_s))
    return observations
