"""What a model's answers to a data set come to, in a few figures."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import isfinite, nan, sqrt
from statistics import median
from typing import Final, TypeAlias

from phiz.lab.accuracy.alignment import SAME_FACE_IOU, compute_box_errors, measure_alignment
from phiz.lab.accuracy.evaluation import Evaluation
from phiz.lab.accuracy.jitter import Jitter, measure_film_steps
from phiz.lab.accuracy.precision import (
    Judgement,
    Mask,
    compute_average_precision,
    compute_recall,
    judge_detections,
    merge_judgements,
)
from phiz.lab.accuracy.predictions import Prediction, to_boxes, to_scores
from phiz.lab.accuracy.size_buckets import mask_heights, mask_shares
from phiz.lab.accuracy.summary import (
    AlignmentErrors,
    ErrorQuantiles,
    EvaluationSummary,
    FalseAlarms,
    RecallSummary,
    Steadiness,
)

MIN_IOU: Final = 0.5
RUN_STAGES: Final = ("decode", "preprocess", "inference", "postprocess")

ChooseFaces: TypeAlias = Callable[[Prediction], Mask]
"""Returns which labelled faces (F,) of a photograph count."""
MaskRanges: TypeAlias = Callable[[Prediction, Mask], Mapping[str, Mask]]
"""Returns by range which of the faces that count (F,) are in it."""


def summarise_evaluation(evaluation: Evaluation) -> EvaluationSummary:
    """Return the figures of what was measured."""
    dataset, run, predictions = evaluation.dataset, evaluation.run, evaluation.predictions
    kind = dataset.kind
    is_labelled = kind in {"scenes", "portraits"}
    shifted = {overlap: summarise_jitter(each) for overlap, each in evaluation.jitters.items()}
    return EvaluationSummary(
        dataset=dataset.name,
        model=run.model,
        overlap=run.overlap,
        passes=run.passes,
        pictures=len(predictions),
        median_ms=compute_median_ms(predictions),
        levels=summarise_levels(evaluation) if is_labelled else None,
        heights=summarise_ranges(evaluation, mask_heights) if is_labelled else None,
        shares=summarise_ranges(evaluation, mask_shares) if is_labelled else None,
        errors=summarise_errors(predictions) if kind == "portraits" else None,
        jitter=shifted or None,
        film=summarise_film(predictions) if kind == "film" else None,
        alarms=count_false_alarms(predictions) if kind == "faceless" else None,
    )


def summarise_levels(evaluation: Evaluation) -> dict[str, RecallSummary]:
    """Return what was found at each level."""
    return {
        level: summarise_recall(evaluation, partial(mask_level, level))
        for level in evaluation.dataset.levels
    }


def summarise_ranges(evaluation: Evaluation, masks: MaskRanges) -> dict[str, RecallSummary]:
    """Return what was found in each range of sizes; faces of the others are ignored."""
    widest = evaluation.dataset.levels[-1]

    def mask_range(name: str, each: Prediction) -> Mask:
        return masks(each, mask_level(widest, each))[name]

    names = list(masks(evaluation.predictions[0], mask_level(widest, evaluation.predictions[0])))
    return {name: summarise_recall(evaluation, partial(mask_range, name)) for name in names}


def mask_level(level: str, prediction: Prediction) -> Mask:
    """Return which faces (F,) count at a level."""
    return prediction.label.counted[level]


def summarise_recall(evaluation: Evaluation, choose_faces: ChooseFaces) -> RecallSummary:
    """Return how many of the chosen faces were found."""
    are_all_labelled = evaluation.dataset.kind == "scenes"
    served = judge_predictions(
        evaluation.predictions, choose_faces, MIN_IOU if are_all_labelled else SAME_FACE_IOU
    )
    precision = nan
    if are_all_labelled:
        precision = compute_average_precision(
            judge_predictions(evaluation.curve_predictions, choose_faces, MIN_IOU)
        )
    return RecallSummary(served.faces, compute_recall(served, 0.0), precision)


def judge_predictions(
    predictions: Sequence[Prediction], choose_faces: ChooseFaces, min_iou: float
) -> Judgement:
    """Return the judgement of all answers, by the faces that are chosen."""
    return merge_judgements(
        [
            judge_detections(
                to_boxes(each.faces),
                to_scores(each.faces),
                each.label.faces,
                choose_faces(each),
                min_iou=min_iou,
            )
            for each in predictions
        ]
    )


def summarise_errors(predictions: Sequence[Prediction]) -> AlignmentErrors:
    """Return the errors on the faces whose eyes and nose are labelled."""
    alignment = measure_alignment(predictions)
    boxes, offset = compute_box_errors(alignment.sides)
    return AlignmentErrors(
        faces=len(alignment.landmarks),
        missed=alignment.missed,
        landmarks=ErrorQuantiles.from_errors(alignment.landmarks),
        distances=ErrorQuantiles.from_errors(alignment.distances),
        box=ErrorQuantiles.from_errors(boxes),
        box_offset=tuple(offset.tolist()),
    )


def summarise_jitter(jitters: Sequence[Jitter]) -> Steadiness:
    """Return the jitter of many faces as one: the median of the mean squares."""
    squares = [jitter.square for jitter in jitters if isfinite(jitter.square)]
    return _build_steadiness(squares, sum(jitter.lost for jitter in jitters))


def summarise_film(frames: Sequence[Prediction]) -> Steadiness:
    """Return the jitter between successive frames; the face is the best of a frame."""
    best = [frame.faces[0] if frame.faces else None for frame in frames]
    return _build_steadiness(measure_film_steps(best).tolist(), best.count(None))


def _build_steadiness(squares: Sequence[float], lost: int) -> Steadiness:
    square = median(squares) if squares else nan
    return Steadiness(len(squares), lost, square, sqrt(square))


def count_false_alarms(predictions: Sequence[Prediction]) -> FalseAlarms:
    """Return how many detections there are in pictures without faces."""
    counts = [len(each.faces) for each in predictions]
    return FalseAlarms(sum(count > 0 for count in counts), sum(counts))


def compute_median_ms(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return the median time of each stage that all had, and of their total, ms."""
    times = [each.timings.to_milliseconds() for each in predictions]
    return {stage: median(each[stage] for each in times) for stage in (*RUN_STAGES, "total")}
