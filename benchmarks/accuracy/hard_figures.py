"""Figures of hard images: like limits, shares of faces found, second faces, and the verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.accuracy.participants import LOWEST_SCORE, Answer
from benchmarks.kit.precision import Detected
from benchmarks.kit.report import format_table
from phiz.faces import Boxes
from phiz.lab.accuracy.precision import Mask, compute_recall, judge_detections, merge_judgements
from phiz.models.specs import AUTO

ALLOWED_ALARMS: Final = 2  # images without faces that have a detection at like limits
MIN_POINTS: Final = -2.0  # that auto may be below the best single model


@dataclass(frozen=True, slots=True)
class AskedScene:
    """The answers to one image.

    Attributes:
        boxes: (F, 4), of the labelled faces.
        counted: (F,), true for the faces that are to be found.
        answers: By participant.
    """

    boxes: Boxes
    counted: Mask
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True)
class HardRow:
    """The figures of one distortion, by participant.

    Attributes:
        name: Of the distortion.
        images: Number of images.
        faces: Number of faces that count.
        found: Share of them that is found at like limits.
        served: The same at default limits.
        several: Images with more than one face at like limits; None where there may be several.
        several_served: The same at default limits.
    """

    name: str
    images: int
    faces: int
    found: Mapping[str, float]
    served: Mapping[str, float]
    several: Mapping[str, int] | None = None
    several_served: Mapping[str, int] | None = None


def compute_like_limit(faceless: Sequence[AskedScene], name: str) -> float:
    """Return the lowest limit at which as many images as allowed, or fewer, have a detection.

    It is the next number above the best score of the next worst image.
    """
    best = [each.answers[name].lowest[1].max(initial=0.0) for each in faceless]
    refused = sorted(best, reverse=True)[ALLOWED_ALARMS:]
    limit = np.nextafter(np.float32(max(refused, default=0)), np.float32(2))
    return max(float(limit), LOWEST_SCORE)


def count_alarms(faceless: Sequence[AskedScene], name: str) -> int:
    """Return the images without faces that have a detection at the default limit."""
    return sum(len(each.answers[name].served[1]) > 0 for each in faceless)


def summarise_row(
    name: str,
    asked: Sequence[AskedScene],
    limits: Mapping[str, float],
    min_iou: float,
    *,
    is_close_up: bool,
) -> HardRow:
    """Return the figures of one distortion.

    Args:
        name: Of the distortion.
        asked: The answers to its images.
        limits: Like limits by participant.
        min_iou: Of a face and a box that finds it.
        is_close_up: Whether the images show one face and nothing else.
    """
    found = {who: compute_share(asked, who, limit, min_iou) for who, limit in limits.items()}
    served = {who: compute_share(asked, who, None, min_iou) for who in limits}
    faces = sum(int(each.counted.sum()) for each in asked)
    if not is_close_up:
        return HardRow(name, len(asked), faces, found, served)
    several = {who: count_several(asked, who, limit) for who, limit in limits.items()}
    several_served = {who: count_several(asked, who, None) for who in limits}
    return HardRow(name, len(asked), faces, found, served, several, several_served)


def compute_share(
    asked: Sequence[AskedScene], name: str, limit: float | None, min_iou: float
) -> float:
    """Return the share of faces that a participant finds at a limit; None is its default one."""
    judged = [
        judge_detections(
            *choose_faces(each.answers[name], limit), each.boxes, each.counted, min_iou=min_iou
        )
        for each in asked
    ]
    return compute_recall(merge_judgements(judged), 0.0)


def count_several(asked: Sequence[AskedScene], name: str, limit: float | None) -> int:
    """Return the images in which a participant finds more than one face."""
    return sum(len(choose_faces(each.answers[name], limit)[1]) > 1 for each in asked)


def choose_faces(answer: Answer, limit: float | None) -> Detected:
    """Return the faces of an answer at a limit; None is the default one."""
    if limit is None:
        return answer.served
    boxes, scores = answer.lowest
    return boxes[scores >= limit], scores[scores >= limit]


def compare_auto(row: HardRow, models: Sequence[str]) -> float:
    """Return the points by which ``auto`` is above the best single model, at like limits."""
    best = max(row.found[name] for name in models if name != AUTO)
    return 100 * (row.found[AUTO] - best)


def describe_verdict(rows: Sequence[HardRow], models: Sequence[str]) -> str:
    """Return in words whether ``auto`` is close to the best single model in every row."""
    points = {row.name: compare_auto(row, models) for row in rows}
    worst = min(points, key=lambda name: points[name])
    reached = sum(each >= MIN_POINTS for each in points.values())
    answer = "yes" if reached == len(points) else "no"
    return (
        f"Is `auto` at most {-MIN_POINTS:g} points below the best single model in every row? "
        f"{answer}: in {reached} of {len(points)}; the worst is {points[worst]:+.1f} ({worst})."
    )


def format_figures(
    rows: Sequence[HardRow],
    limits: Mapping[str, float],
    alarms: Mapping[str, int],
    faceless: int,
    models: Sequence[str],
) -> str:
    """Return both tables in Markdown, at like and at default limits, and what they show."""
    like = [
        ["score limit", *(f"{limit:.3f}" for limit in limits.values()), ""],
        *(
            [*_format_shares(row.name, row.found), f"{compare_auto(row, models):+.1f}"]
            for row in rows
        ),
        *([*_format_several(row, row.several), ""] for row in rows if row.several),
    ]
    served = [
        ["images without faces with a detection", *map(str, alarms.values())],
        *(_format_shares(row.name, row.served) for row in rows),
        *(_format_several(row, row.several_served) for row in rows if row.several_served),
    ]
    portraits, groups = rows[0], rows[-1]
    return (
        f"Faces found, %, in {portraits.images} portraits, and in {groups.images} groups with"
        f" {groups.faces} faces. At like limits, found in this run, at most {ALLOWED_ALARMS} of"
        f" {faceless} images without faces have a detection:\n\n"
        + format_table(["like limits", *limits, "`auto` − best"], like)
        + "\nAt the default limits:\n\n"
        + format_table(["default limits", *limits], served)
    )


def _format_shares(name: str, shares: Mapping[str, float]) -> list[str]:
    return [name, *(f"{100 * share:.1f}" for share in shares.values())]


def _format_several(row: HardRow, several: Mapping[str, int] | None) -> list[str]:
    return [f"{row.name}: more than one face, images", *map(str, (several or {}).values())]
