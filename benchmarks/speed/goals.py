"""The figures that the speed benchmark is for, and the limit of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median

import numpy as np
from scipy.optimize import linear_sum_assignment

from benchmarks.kit.goals import Clock, Goal
from benchmarks.kit.options import BLAZEFACE
from benchmarks.speed.contests import (
    ContestResult,
    ContestResults,
    Times,
    compute_differences,
    compute_median,
    compute_ratios,
)
from benchmarks.speed.inputs import CASCADE_WH
from phiz.boxes.geometry import box_iou, clip_boxes
from phiz.faces import Boxes

LITERT = "LiteRT XNNPACK"
FACENET = "facenet-pytorch"
OURS, OPENCV = "phiz", "OpenCV, YuNet"
DEFAULT_RUNTIME = "onnxruntime float32"
AUTO_RUNTIME = "auto"  # the runtimes of the profile
SAME_IOU = 0.98


def build_goals(results: Mapping[Clock, ContestResults]) -> Iterator[Goal]:
    """Yield all figures by processor time, and beside each the same by the wall's clock."""
    pairs = zip(*(_build_goals(results[clock]) for clock in ("processor", "wall")), strict=True)
    for goal, wall in pairs:
        if goal.measure == "IoU":
            yield goal
        else:
            yield replace(goal, clock="processor", wall=wall.figure, wall_rounds=wall.rounds)


def _build_goals(results: ContestResults) -> Iterator[Goal]:
    """Yield all figures by one clock."""
    for model in BLAZEFACE:
        yield from _build_call_goals(model, results[f"call {model}"])
    yield from _build_jpeg_goals("640x480", results["640x480"], 1.25)
    yield from _build_jpeg_goals("641x481", results["641x481"], 1.35)
    yield from _build_large_jpeg_goals(results["4000x3000"])
    yield from _build_cascade_goals(results["cascade"])
    ours, other = results["yunet"][OURS], results["yunet"][OPENCV]
    yield _build_ratio_goal("yunet, 640x480 JPEG to faces", ours.times, OPENCV, other.times, 0.6)


def _build_ratio_goal(
    what: str, ours: Times, against: str, other: Times, limit: float | None = None
) -> Goal:
    """Return the goal of a ratio of times."""
    ratios = compute_ratios(ours, other)
    return Goal(
        what,
        median(ratios),
        limit=limit,
        rounds=ratios,
        measure="ratio",
        against=against,
        ours_ms=compute_median(ours),
        other_ms=compute_median(other),
    )


def _build_call_goals(model: str, scores: Mapping[str, ContestResult]) -> Iterator[Goal]:
    limits = {DEFAULT_RUNTIME: 0.95, AUTO_RUNTIME: 0.70} if model == "front" else {}
    other = scores[LITERT].times
    for who, score in scores.items():
        if who != LITERT:
            yield _build_ratio_goal(
                f"{model}, call, {who}", score.times, LITERT, other, limits.get(who)
            )


def _build_jpeg_goals(
    size: str, scores: Mapping[str, ContestResult], limit: float
) -> Iterator[Goal]:
    decoder, decoding = _find_fastest_decoder(scores)
    for model in BLAZEFACE:
        ours, call = scores[f"faces {model}"], scores[f"call {model}"].times
        what = f"{model}, {size} JPEG to faces"
        full = decoding + call
        yield _build_ratio_goal(
            what, ours.times, f"{decoder}, and call", full, limit if model == "front" else None
        )
        # phiz decodes to a smaller size; without that gain, this is its overhead.
        scaled = ours.stages["decode"] + call
        yield _build_ratio_goal(what, ours.times, "scaled decoding, and call", scaled)


def _build_large_jpeg_goals(scores: Mapping[str, ContestResult]) -> Iterator[Goal]:
    decoder, decoding = _find_fastest_decoder(scores)
    for model in BLAZEFACE:
        ours, call = scores[f"faces {model}"].times, scores[f"call {model}"].times
        what = f"{model}, 12 MP JPEG to faces"
        against = f"{decoder} at 1/8"
        yield _build_ratio_goal(what, ours, against, decoding, 1.2 if model == "front" else None)
        floor = decoding + call
        differences = compute_differences(ours, floor)
        yield Goal(
            what,
            median(differences),
            limit=1.5 if model == "back" else None,
            rounds=differences,
            measure="ms more",
            against=f"{against}, and call",
            ours_ms=compute_median(ours),
            other_ms=compute_median(floor),
        )


def _find_fastest_decoder(scores: Mapping[str, ContestResult]) -> tuple[str, Times]:
    decoders = [who for who in scores if who.startswith("decode ")]
    fastest = min(decoders, key=lambda who: scores[who].median_ms)
    return fastest.removeprefix("decode "), scores[fastest].times


def _build_cascade_goals(scores: Mapping[str, ContestResult]) -> Iterator[Goal]:
    peer = scores[FACENET]
    ours = {who: score for who, score in scores.items() if who != FACENET}
    overlaps = {who: find_lowest_overlap(score.boxes, peer.boxes) for who, score in ours.items()}
    same = [who for who in ours if overlaps[who] >= SAME_IOU]
    # Lower precision moves boxes, so that it has to be faster still.
    limits = {DEFAULT_RUNTIME: 0.28, AUTO_RUNTIME: 0.20}
    for who, score in ours.items():
        yield _build_ratio_goal(f"mtcnn, {who}", score.times, FACENET, peer.times, limits.get(who))
        least = SAME_IOU if who == DEFAULT_RUNTIME else None
        yield Goal(f"mtcnn, {who}", overlaps[who], "≥", least, (), "IoU", "its faces: least IoU")
        most = 3.0 if who in limits else None
        times = np.median(score.times, axis=0)  # (items,)
        worst, middle = float(times.max()), float(np.median(times))
        what, against = f"mtcnn, {who}, worst picture", "its own median"
        yield Goal(what, worst / middle, "≤", most, (), "ratio", against, worst, middle)
    if same:
        best = min(same, key=lambda who: ours[who].median_ms)
        what = f"mtcnn, best with the same faces: {best}"
        yield _build_ratio_goal(what, ours[best].times, FACENET, peer.times, 0.25)


def find_lowest_overlap(
    ours: Sequence[Sequence[Sequence[float]]], theirs: Sequence[Sequence[Sequence[float]]]
) -> float:
    """Return the lowest IoU of two faces that are the same, over all images.

    It is 0 if an image has another number of faces. All boxes (N, 4) are clipped to the image, as
    phiz's own are.
    """
    return min((_find_lowest(*each) for each in zip(ours, theirs, strict=True)), default=1.0)


def _find_lowest(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> float:
    if len(ours) != len(theirs):
        return 0.0
    boxes, count = _to_boxes(ours), len(ours)
    overlaps = np.reshape([box_iou(face, boxes) for face in _to_boxes(theirs)], (count, count))
    return float(overlaps[linear_sum_assignment(overlaps, maximize=True)].min(initial=1))


def _to_boxes(boxes: Sequence[Sequence[float]]) -> Boxes:
    return clip_boxes(np.array(boxes, np.float32).reshape(-1, 4), *CASCADE_WH)
