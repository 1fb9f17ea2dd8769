from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest

from phiz.lab.accuracy.datasets import Dataset, DatasetKind
from phiz.lab.accuracy.evaluation import Evaluation, EvaluationRun
from phiz.lab.accuracy.figures import summarise_evaluation
from phiz.lab.accuracy.jitter import Jitter, sample_shifts
from phiz.lab.accuracy.predictions import Prediction
from phiz.lab.accuracy.summary import ErrorQuantiles
from phiz.options import Overlap
from tests.lab.accuracy.answers import HEAD, answer, found, labelled

AWAY = (60, 60, 80, 80)
TALL = (0, 0, 30, 60)
RUN = EvaluationRun("front", "blend", None, sample_shifts(0))


def measured(
    kind: DatasetKind,
    served: list[Prediction],
    curve: list[Prediction] | None = None,
    jitters: dict[Overlap, list[Jitter]] | None = None,
) -> Evaluation:
    dataset = Dataset("some", kind, tuple(each.label for each in served))
    return Evaluation(dataset, RUN, served, curve or served, jitters or {})


def test_scenes_give_precision_and_recall() -> None:
    label = labelled([HEAD, TALL])
    served = answer(label, [found(HEAD, 0.9)])
    curve = answer(label, [found(HEAD, 0.9), found(AWAY, 0.4), found(TALL, 0.3)])
    summary = summarise_evaluation(measured("scenes", [served], [curve]))
    assert summary.levels is not None
    assert summary.levels["all"].faces == 2
    assert summary.levels["all"].recall == 0.5
    # A hit, an alarm, a hit: half of the recall at precision 1, half at 2/3.
    assert summary.levels["all"].precision == pytest.approx(1 / 2 + 1 / 3)
    assert summary.heights is not None
    assert summary.heights["20 to 50 px"].recall == 1
    assert summary.heights["50 to 100 px"].recall == 0
    assert isnan(summary.heights["300 px and more"].recall)
    assert summary.shares is not None
    # 400 and 1800 of 10000 pixels.
    assert [each.faces for each in summary.shares.values()] == [1, 1, 0]
    assert {summary.errors, summary.film, summary.alarms} == {None}
    assert summary.jitter is None


def test_faces_of_other_sizes_are_neither_found_nor_alarms() -> None:
    label = labelled([HEAD, TALL])
    summary = summarise_evaluation(
        measured("scenes", [answer(label, [found(TALL, 0.9), found(HEAD, 0.5)])])
    )
    assert summary.heights is not None
    assert summary.heights["20 to 50 px"].precision == 1


@pytest.mark.parametrize(
    ("height", "expected"),
    [
        (19.5, "0 to 20 px"),
        (20, "20 to 50 px"),
        (50, "50 to 100 px"),
        (100, "100 to 300 px"),
        (300, "300 px and more"),
    ],
)
def test_heights_begin_at_their_limits(height: float, expected: str) -> None:
    boxes = [(0, 0, 5, height), (0, 0, 5, height)]
    seen = answer(labelled(boxes, counted=[True, False]), [])
    heights = summarise_evaluation(measured("scenes", [seen])).heights
    assert heights is not None
    assert {name: each.faces for name, each in heights.items() if each.faces} == {expected: 1}


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        pytest.param(22.3, "0% to 5%", id="just under a twentieth"),
        pytest.param(22.4, "5% to 20%", id="just over"),
        pytest.param(44.7, "5% to 20%", id="just under a fifth"),
        pytest.param(44.8, "20% and more", id="just over a fifth"),
    ],
)
def test_shares_are_of_the_picture(side: float, expected: str) -> None:
    seen = answer(labelled([(0, 0, side, side)]), [], (100, 100))
    shares = summarise_evaluation(measured("scenes", [seen])).shares
    assert shares is not None
    assert {name: each.faces for name, each in shares.items() if each.faces} == {expected: 1}


def test_portraits_give_errors_and_no_precision() -> None:
    label = labelled([HEAD], has_points=True)
    good, off = answer(label, [found(), found(AWAY)]), answer(label, [found(by=(1, 0))])
    jitters: dict[Overlap, list[Jitter]] = {
        "blend": [Jitter(0.0004, 0), Jitter(nan, 2), Jitter(0.0009, 1), Jitter(0.0016, 0)]
    }
    summary = summarise_evaluation(
        measured("portraits", [good, off, answer(label, [])], None, jitters)
    )
    assert summary.errors is not None
    assert (summary.errors.faces, summary.errors.missed) == (2, 1)
    assert summary.errors.landmarks.median == pytest.approx(0.025)
    assert summary.errors.landmarks.p90 == pytest.approx(0.045)
    assert summary.errors.distances.median == pytest.approx(0.05)
    assert summary.errors.box_offset == pytest.approx((0, 0, 0, 0))
    assert summary.levels is not None
    assert summary.levels["all"].recall == pytest.approx(2 / 3)
    assert isnan(summary.levels["all"].precision)
    assert summary.jitter is not None
    steadiness = summary.jitter["blend"]
    assert (steadiness.faces, steadiness.lost) == (3, 3)
    assert steadiness.square == pytest.approx(0.0009)
    assert steadiness.rms == pytest.approx(0.03)


def test_second_boxes_are_counted_in_portraits_and_crops() -> None:
    label = labelled([HEAD], has_points=True)
    once, twice = answer(label, [found()]), answer(label, [found(), found((8, 8, 20, 20))])
    close_ups = {-0.05: [twice, twice], 0.2: [once, answer(label, [found(), found(AWAY)])]}
    given = replace(measured("portraits", [once, twice]), close_ups=close_ups)
    second_boxes = summarise_evaluation(given).second_boxes
    assert second_boxes is not None
    counts = {name: each.pictures for name, each in second_boxes.items()}
    assert counts == {"whole image": 1, "crop -5%": 2, "crop +20%": 0}


def test_pictures_without_faces_give_alarms() -> None:
    label = labelled([])
    seen = [answer(label, []), answer(label, [found()]), answer(label, [found(), found(AWAY)])]
    summary = summarise_evaluation(measured("faceless", seen))
    assert summary.alarms is not None
    assert (summary.alarms.pictures, summary.alarms.detections) == (2, 3)
    assert summary.pictures == 3
    assert summary.levels is None


# All that is predicted moves by 1 of 10 pixels in x and y between the second and the third.
def test_a_film_gives_its_steps() -> None:
    label = labelled([])
    still, moved = found(), found((6, 6, 26, 26), by=(1, 1))
    frames = [answer(label, [each]) for each in (still, still, moved)]
    summary = summarise_evaluation(measured("film", [*frames, answer(label, [])]))
    assert summary.film is not None
    assert (summary.film.faces, summary.film.lost) == (2, 1)
    assert summary.film.square == pytest.approx(0.005)


def test_times_are_medians_by_stage() -> None:
    summary = summarise_evaluation(measured("faceless", [answer(labelled([]), [])]))
    assert summary.median_ms == {
        "decode": 1,
        "preprocess": 2,
        "inference": 3,
        "postprocess": 4,
        "total": 10,
    }


def test_a_spread_of_nothing() -> None:
    spread = ErrorQuantiles.from_errors(np.zeros(0))
    assert isnan(spread.median)
    assert isnan(spread.p90)
