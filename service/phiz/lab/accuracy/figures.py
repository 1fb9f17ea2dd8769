"""What a model's answers to a data set come to, in a few figures."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite, nan, sqrt
from statistics import median
from typing import Final, TypeAlias

from phiz.lab.accuracy.alignment import SAME_FACE_IOU, align, box_errors
from phiz.lab.accuracy.evaluation import Measured
from phiz.lab.accuracy.jitter import Jitter, film_steps
from phiz.lab.accuracy.precision import (
    Judgement,
    Mask,
    average_precision,
    judge,
    recall_at,
    together,
)
from phiz.lab.accuracy.predictions import Observation, boxes_of, scores_of
from phiz.lab.accuracy.size_buckets import height_masks, share_masks
from phiz.lab.accuracy.summary import Alarms, Errors, Found, Spread, Steadiness, Summary

MIN_IOU: Final = 0.5
RUN_STAGES: Final = ("decode", "preprocess", "inference", "postprocess")

Choose: TypeAlias = Callable[[Observation], Mask]
"""Returns which labelled faces (F,) of a photograph count."""
Masks: TypeAlias = Callable[[Observation, Mask], Mapping[str, Mask]]
"""Returns by range which of the faces that count (F,) are in it."""


def summarise(measured: Measured) -> Summary:
    """Return the figures of what was measured."""
    dataset, run, served = measured.dataset, measured.run, measured.served
    kind = dataset.kind
    is_labelled = kind in {"scenes", "portraits"}
    shifted = {overlap: steadiness(each) for overlap, each in measured.jitters.items()}
    return Summary(
        dataset=dataset.name,
        model=run.model,
        overlap=run.overlap,
        passes=run.passes,
        pictures=len(served),
        median_ms=median_ms(served),
        levels=by_level(measured) if is_labelled else None,
        heights=by_range(measured, height_masks) if is_labelled else None,
        shares=by_range(measured, share_masks) if is_labelled else None,
        errors=errors_of(served) if kind == "portraits" else None,
        jitter=shifted or None,
        film=film_steadiness(served) if kind == "film" else None,
        alarms=alarms_of(served) if kind == "faceless" else None,
    )


def by_level(measured: Measured) -> dict[str, Found]:
    """Return what was found at each level."""
    return {level: found(measured, partial(at_level, level)) for level in measured.dataset.levels}


def by_range(measured: Measured, masks: Masks) -> dict[str, Found]:
    """Return what was found in each range of sizes; faces of the others are ignored."""
    widest = measured.dataset.levels[-1]

    def in_range(name: str, each: Observation) -> Mask:
        return masks(each, at_level(widest, each))[name]

    names = list(masks(measured.served[0], at_level(widest, measured.served[0])))
    return {name: found(measured, partial(in_range, name)) for name in names}


def at_level(level: str, observation: Observation) -> Mask:
    """Return which faces (F,) count at a level."""
    return observation.label.counted[level]


def found(measured: Measured, choose: Choose) -> Found:
    """Return how many of the chosen faces were found."""
    are_all_labelled = measured.dataset.kind == "scenes"
    served = judged(measured.served, choose, MIN_IOU if are_all_labelled else SAME_FACE_IOU)
    precision = nan
    if are_all_labelled:
        precision = average_precision(judged(measured.curve, choose, MIN_IOU))
    return Found(served.faces, recall_at(served, 0.0), precision)


def judged(observations: Sequence[Observation], choose: Choose, min_iou: float) -> Judgement:
    """Return the judgement of all answers, by the faces that are chosen."""
    return together(
        [
            judge(
                boxes_of(each.faces),
                scores_of(each.faces),
                each.label.faces,
                choose(each),
                min_iou=min_iou,
            )
            for each in observations
        ]
    )


def errors_of(observations: Sequence[Observation]) -> Errors:
    """Return the errors on the faces whose eyes and nose are labelled."""
    aligned = align(observations)
    boxes, offset = box_errors(aligned.sides)
    return Errors(
        faces=len(aligned.landmarks),
        missed=aligned.missed,
        landmarks=Spread.of(aligned.landmarks),
        distances=Spread.of(aligned.distances),
        box=Spread.of(boxes),
        box_offset=tuple(offset.tolist()),
    )


def steadiness(jitters: Sequence[Jitter]) -> Steadiness:
    """Return the jitter of many faces as one: the median of the mean squares."""
    squares = [jitter.square for jitter in jitters if isfinite(jitter.square)]
    return _steadiness(squares, sum(jitter.lost for jitter in jitters))


def film_steadiness(frames: Sequence[Observation]) -> Steadiness:
    """Return the jitter between successive frames; the face is the best of a frame."""
    best = [frame.faces[0] if frame.faces else None for frame in frames]
    return _steadiness(film_steps(best).tolist(), best.count(None))


def _steadiness(squares: Sequence[float], lost: int) -> Steadiness:
    square = median(squares) if squares else nan
    return Steadiness(len(squares), lost, square, sqrt(square))


def alarms_of(observations: Sequence[Observation]) -> Alarms:
    """Return how many detections there are in pictures without faces."""
    counts = [len(each.faces) for each in observations]
    return Alarms(sum(count > 0 for count in counts), sum(counts))


def median_ms(observations: Sequence[Observation]) -> dict[str, float]:
    """Return the median time of each stage that all had, and of their total, ms."""
    times = [each.timings.milliseconds() for each in observations]
    return {stage: median(each[stage] for each in times) for stage in (*RUN_STAGES, "total")}
