"""Figures from a model's answers to a data set."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import inf, isfinite, nan
from statistics import median
from typing import Final, TypeAlias

import numpy as np

from phiz.boxes.geometry import box_area
from phiz.lab.accuracy.alignment import SAME_FACE_IOU, measure_alignment
from phiz.lab.accuracy.closeups import count_second_boxes
from phiz.lab.accuracy.evaluation import Evaluation
from phiz.lab.accuracy.jitter import Jitter, measure_film_steps
from phiz.lab.accuracy.precision import (
    FloatArray,
    Judgement,
    Mask,
    compute_average_precision,
    compute_recall,
    judge_detections,
    merge_judgements,
)
from phiz.lab.accuracy.predictions import Prediction, to_boxes, to_scores
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
# Height of a labelled face, pixels. To WIDER FACE, faces below 50 are small and faces above 300
# large; its levels begin at about 50, 30 and 10.
HEIGHTS_PX: Final = {
    "0 to 20 px": (0, 20),
    "20 to 50 px": (20, 50),
    "50 to 100 px": (50, 100),
    "100 to 300 px": (100, 300),
    "300 px and more": (300, inf),
}
# Share of the picture that a box takes. BlazeFace was trained for faces of at least 20 %
# (front) and 5 % (back) of it (Bazarevsky et al. 2019, section 4).
AREA_SHARES: Final = {"0% to 5%": (0.0, 0.05), "5% to 20%": (0.05, 0.2), "20% and more": (0.2, inf)}

ChooseFaces: TypeAlias = Callable[[Prediction], Mask]
"""Returns which labelled faces (F,) of a photograph count."""
MeasureFaces: TypeAlias = Callable[[Prediction], FloatArray]
"""Returns the size of each labelled face (F,) of a photograph."""


def summarise_evaluation(evaluation: Evaluation) -> EvaluationSummary:
    """Return the figures of a measurement."""
    dataset, run, predictions = evaluation.dataset, evaluation.run, evaluation.predictions
    levels = heights = shares = None
    if dataset.kind in {"scenes", "portraits"}:
        levels = {
            level: summarise_recall(evaluation, partial(mask_level, level))
            for level in dataset.levels
        }
        heights = summarise_sizes(evaluation, measure_heights, HEIGHTS_PX)
        shares = summarise_sizes(evaluation, measure_shares, AREA_SHARES)
    shifted = {overlap: summarise_jitter(each) for overlap, each in evaluation.jitters.items()}
    return EvaluationSummary(
        dataset=dataset.name,
        model=run.model,
        overlap=run.overlap,
        passes=run.passes,
        pictures=len(predictions),
        median_ms=compute_median_ms(predictions),
        levels=levels,
        heights=heights,
        shares=shares,
        errors=summarise_errors(predictions) if dataset.kind == "portraits" else None,
        jitter=shifted or None,
        second_boxes=summarise_second_boxes(evaluation) if dataset.kind == "portraits" else None,
        film=summarise_film(predictions) if dataset.kind == "film" else None,
        alarms=count_false_alarms(predictions) if dataset.kind == "faceless" else None,
    )


def summarise_sizes(
    evaluation: Evaluation, measure_faces: MeasureFaces, ranges: Mapping[str, tuple[float, float]]
) -> dict[str, RecallSummary]:
    """Return the share of faces that was found in each range of sizes; other faces are ignored."""
    widest = evaluation.dataset.levels[-1]

    def choose_faces(low: float, high: float, each: Prediction) -> Mask:
        sizes = measure_faces(each)  # (F,)
        in_range: Mask = mask_level(widest, each) & (low <= sizes) & (sizes < high)
        return in_range

    return {
        name: summarise_recall(evaluation, partial(choose_faces, *limits))
        for name, limits in ranges.items()
    }


def mask_level(level: str, prediction: Prediction) -> Mask:
    """Return which faces (F,) count at a level."""
    return prediction.label.counted[level]


def measure_heights(prediction: Prediction) -> FloatArray:
    """Return the heights (F,) of the labelled faces, pixels."""
    boxes = prediction.label.faces
    return (boxes[:, 3] - boxes[:, 1]).astype(np.float64)


def measure_shares(prediction: Prediction) -> FloatArray:
    """Return the shares (F,) of the picture that the labelled faces take."""
    width, height = prediction.size_wh
    return box_area(prediction.label.faces).astype(np.float64) / (width * height)


def summarise_recall(evaluation: Evaluation, choose_faces: ChooseFaces) -> RecallSummary:
    """Return the share of the chosen faces that was found."""
    are_all_labelled = evaluation.dataset.kind == "scenes"
    min_iou = MIN_IOU if are_all_labelled else SAME_FACE_IOU
    served = judge_predictions(evaluation.predictions, choose_faces, min_iou)
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
    judgements = []
    for each in predictions:
        boxes, scores = to_boxes(each.faces), to_scores(each.faces)
        counted = choose_faces(each)
        judgements.append(
            judge_detections(boxes, scores, each.label.faces, counted, min_iou=min_iou)
        )
    return merge_judgements(judgements)


def summarise_errors(predictions: Sequence[Prediction]) -> AlignmentErrors:
    """Return the errors on the faces whose eyes and nose are labelled."""
    alignment = measure_alignment(predictions)
    return AlignmentErrors(
        faces=len(alignment.landmarks),
        missed=alignment.missed,
        landmarks=ErrorQuantiles.from_errors(alignment.landmarks),
        distances=ErrorQuantiles.from_errors(alignment.distances),
        box=ErrorQuantiles.from_errors(alignment.boxes),
        box_offset=tuple(alignment.box_offset.tolist()),
    )


def summarise_jitter(jitters: Sequence[Jitter]) -> Steadiness:
    """Return the jitter of many faces as one: the median of the mean squares."""
    squares = [jitter.square for jitter in jitters if isfinite(jitter.square)]
    return Steadiness.from_squares(squares, sum(jitter.lost for jitter in jitters))


def summarise_film(frames: Sequence[Prediction]) -> Steadiness:
    """Return the jitter between successive frames; the face is the best of a frame."""
    best = [frame.faces[0] if frame.faces else None for frame in frames]
    return Steadiness.from_squares(measure_film_steps(best).tolist(), best.count(None))


def count_false_alarms(predictions: Sequence[Prediction]) -> FalseAlarms:
    """Return the number of detections in pictures without faces."""
    return FalseAlarms.from_counts([len(each.faces) for each in predictions])


def summarise_second_boxes(evaluation: Evaluation) -> dict[str, FalseAlarms]:
    """Return the second boxes over the labelled face of portraits and of crops of them."""
    answers = {"whole image": evaluation.predictions}
    answers |= {f"crop {margin:+.0%}": each for margin, each in evaluation.close_ups.items()}
    return {
        name: FalseAlarms.from_counts([count_second_boxes(each) for each in predictions])
        for name, predictions in answers.items()
    }


def compute_median_ms(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return the median time of each stage that all had, and of their total, ms."""
    times = [each.timings.to_milliseconds() for each in predictions]
    return {stage: median(each[stage] for each in times) for stage in (*RUN_STAGES, "total")}
