from collections.abc import Sequence
from itertools import pairwise
from math import isnan

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.faces import Boxes, Scores
from phiz.lab.accuracy.precision import (
    Judgement,
    compute_average_precision,
    compute_precision_recall,
    compute_recall,
    judge_detections,
    merge_judgements,
)

LEFT = (0, 0, 10, 10)
MIDDLE = (20, 0, 30, 10)
RIGHT = (40, 0, 50, 10)
NOWHERE = (70, 70, 80, 80)

Box = tuple[float, float, float, float]


def boxes_of(boxes: Sequence[Box]) -> Boxes:
    return np.array(boxes, np.float32).reshape(-1, 4)


def judged(
    detections: Sequence[tuple[Box, float]],
    faces: Sequence[Box],
    counted: Sequence[bool] | None = None,
    min_iou: float = 0.5,
) -> Judgement:
    return judge_detections(
        boxes_of([box for box, _ in detections]),
        np.array([score for _, score in detections], np.float32),
        boxes_of(faces),
        np.ones(len(faces), bool) if counted is None else np.array(counted, bool),
        min_iou=min_iou,
    )


def judgement_of(hits: str, faces: int, scores: Sequence[float] | None = None) -> Judgement:
    """Return a judgement from a word like '+-+': hits and misses by falling score."""
    falling = scores or [1 - index / 100 for index in range(len(hits))]
    return Judgement(np.array(falling, np.float32), np.array([hit == "+" for hit in hits]), faces)


# One detection on one face of 10 by 10: where is an overlap of one half?
@pytest.mark.parametrize(
    ("box", "min_iou", "hit"),
    [
        pytest.param((0, 0, 10, 10), 0.5, True, id="the same box"),
        pytest.param((0, 0, 10, 5), 0.5, True, id="exactly half"),
        pytest.param((0, 0, 10, 4.99), 0.5, False, id="just under half"),
        pytest.param((0, 0, 10, 20), 0.5, True, id="twice the face"),
        pytest.param((0, 0, 10, 20.1), 0.5, False, id="just over twice the face"),
        pytest.param((5, 0, 15, 10), 0.5, False, id="half shared is a third of the union"),
        pytest.param((5, 0, 15, 10), 0.33, True, id="a third, of a limit below"),
        pytest.param((5, 0, 15, 10), 0.34, False, id="a third, of a limit above"),
        pytest.param((10, 0, 20, 10), 0.5, False, id="touching"),
        pytest.param((5, 5, 5, 5), 0.5, False, id="empty"),
        pytest.param((8, 8, 2, 2), 0.5, False, id="inside out"),
    ],
)
def test_a_detection_must_overlap_its_face(box: Box, min_iou: float, *, hit: bool) -> None:
    judgement = judged([(box, 0.9)], [LEFT], min_iou=min_iou)

    assert judgement.hits.tolist() == [hit]


# Expected: the word of hits and misses by falling score, ignored detections left out.
@pytest.mark.parametrize(
    ("detections", "faces", "counted", "expected"),
    [
        pytest.param([], [LEFT], [True], "", id="no detections"),
        pytest.param([(LEFT, 0.9)], [], [], "-", id="no faces"),
        pytest.param([], [], [], "", id="nothing at all"),
        pytest.param([(LEFT, 0.9), (RIGHT, 0.8)], [LEFT, RIGHT], [True, True], "++", id="all"),
        pytest.param([(LEFT, 0.9), (NOWHERE, 0.8)], [LEFT], [True], "+-", id="one beside"),
        pytest.param([(LEFT, 0.9), (LEFT, 0.8)], [LEFT], [True], "+-", id="found twice"),
        pytest.param([(LEFT, 0.9)], [LEFT], [False], "", id="on an ignored face"),
        pytest.param(
            [(LEFT, 0.9), (LEFT, 0.8)], [LEFT], [False], "", id="twice on an ignored face"
        ),
        pytest.param([(NOWHERE, 0.9)], [LEFT], [False], "-", id="beside an ignored face"),
        pytest.param(
            [((0, 0, 10, 4), 0.9)], [LEFT], [False], "-", id="too little on an ignored face"
        ),
        pytest.param(
            [(LEFT, 0.7), (MIDDLE, 0.8), (RIGHT, 0.9)],
            [LEFT, MIDDLE, RIGHT],
            [True, False, True],
            "++",
            id="an ignored face between two that count",
        ),
        pytest.param(
            [((0, 0, 10, 9), 0.9)],
            [LEFT, (0, 0, 10, 9)],
            [True, False],
            "",
            id="it overlaps the ignored face more",
        ),
        pytest.param(
            [((0, 0, 10, 9), 0.9)],
            [LEFT, (0, 0, 10, 9)],
            [False, True],
            "+",
            id="it overlaps the face that counts more",
        ),
        pytest.param(
            [(LEFT, 0.9), ((0, 0, 10, 9.5), 0.8)],
            [LEFT, (0, 0, 10, 8)],
            [True, True],
            "+-",
            id="a found face is not left for the next best",
        ),
    ],
)
def test_a_detection_is_a_hit_a_miss_or_ignored(
    detections: list[tuple[Box, float]], faces: list[Box], counted: list[bool], expected: str
) -> None:
    judgement = judged(detections, faces, counted)

    assert "".join("+" if hit else "-" for hit in judgement.hits) == expected
    assert judgement.faces == sum(counted)
    assert len(judgement.scores) == len(expected)


def test_the_better_of_two_detections_finds_the_face() -> None:
    judgement = judged([((0, 0, 10, 9), 0.5), (LEFT, 0.4), (LEFT, 0.9)], [LEFT])

    assert judgement.scores.tolist() == pytest.approx([0.9, 0.5, 0.4])
    assert judgement.hits.tolist() == [True, False, False]


# The area by hand: each step of recall times the best precision from there on.
@pytest.mark.parametrize(
    ("hits", "faces", "expected"),
    [
        pytest.param("", 1, 0, id="no detections"),
        pytest.param("---", 2, 0, id="no hits"),
        pytest.param("+", 1, 1, id="one of one"),
        pytest.param("+", 4, 1 / 4, id="one of four"),
        pytest.param("++++", 4, 1, id="all"),
        pytest.param("++--", 2, 1, id="misses after the last hit cost nothing"),
        pytest.param("-+", 1, 1 / 2, id="a miss first"),
        pytest.param("+-+", 2, 1 / 2 * 1 + 1 / 2 * 2 / 3, id="a miss between"),
        pytest.param("-++", 2, 2 / 3, id="the envelope lifts the first hit from 1/2 to 2/3"),
        pytest.param(
            "+--++-", 4, 1 / 4 * 1 + 1 / 4 * 3 / 5 + 1 / 4 * 3 / 5, id="and a face is missed"
        ),
    ],
)
def test_average_precision_by_arithmetic(hits: str, faces: int, expected: float) -> None:
    assert compute_average_precision(judgement_of(hits, faces)) == pytest.approx(
        expected, abs=1e-12
    )


def test_equal_scores_pass_a_threshold_together() -> None:
    scores = [0.9, 0.5, 0.5, 0.5, 0.1]
    precision, recall = compute_precision_recall(judgement_of("+-+-+", 4, scores))

    assert precision.tolist() == pytest.approx([1, 2 / 4, 3 / 5])
    assert recall.tolist() == pytest.approx([1 / 4, 2 / 4, 3 / 4])


@pytest.mark.parametrize("hits", ["+--", "-+-", "--+"])
def test_the_order_of_equal_scores_changes_nothing(hits: str) -> None:
    assert compute_average_precision(judgement_of(hits, 1, [0.5] * 3)) == pytest.approx(1 / 3)


def test_no_detections_make_an_empty_curve() -> None:
    precision, recall = compute_precision_recall(judgement_of("", 3))

    assert precision.shape == recall.shape == (0,)


@pytest.mark.parametrize("hits", ["", "-", "--"])
def test_figures_without_faces_are_nan(hits: str) -> None:
    judgement = judgement_of(hits, 0)

    assert isnan(compute_average_precision(judgement))
    assert isnan(compute_recall(judgement, 0.5))
    assert np.isnan(compute_precision_recall(judgement)[1]).all()


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        pytest.param(0.0, 2 / 4, id="all"),
        pytest.param(0.25, 2 / 4, id="at the lowest hit"),
        pytest.param(0.26, 1 / 4, id="above the lowest hit"),
        pytest.param(0.75, 1 / 4, id="at the highest hit"),
        pytest.param(0.76, 0, id="above the highest hit"),
    ],
)
def test_recall_at_a_score(score: float, expected: float) -> None:
    # Scores that float32 holds exactly.
    assert compute_recall(judgement_of("+-+", 4, [0.75, 0.5, 0.25]), score) == expected


def test_pictures_are_ranked_together_not_averaged() -> None:
    # Apart, the pictures have 1 and 1/2; together the curve is + + - over two faces.
    easy = judged([(LEFT, 0.9)], [LEFT])
    busy = judged([(NOWHERE, 0.95), (LEFT, 0.3)], [LEFT])

    whole = merge_judgements([easy, busy])

    assert whole.faces == 2
    assert compute_average_precision(whole) == pytest.approx(1 / 2 * 2 / 3 + 1 / 2 * 2 / 3)


def test_a_picture_without_detections_still_has_faces_to_find() -> None:
    whole = merge_judgements([judged([(LEFT, 0.9)], [LEFT]), judged([], [LEFT, RIGHT])])

    assert compute_average_precision(whole) == pytest.approx(1 / 3)


def test_no_pictures_are_nothing_to_measure() -> None:
    assert isnan(compute_average_precision(merge_judgements([])))


@pytest.mark.parametrize("seed", range(20))
def test_the_same_as_a_slow_reference_on_random_pictures(seed: int) -> None:
    random = np.random.default_rng(seed)
    pictures = [random_picture(random) for _ in range(6)]

    whole = merge_judgements([judge_detections(*image) for image in pictures])

    assert compute_average_precision(whole) == pytest.approx(
        slow_average_precision(pictures), abs=1e-12
    )


Picture = tuple[Boxes, Scores, Boxes, NDArray[np.bool_]]


def random_picture(random: np.random.Generator) -> Picture:
    """Return up to 7 faces, some that do not count, and up to 12 detections near them."""
    corners = random.integers(0, 40, (random.integers(1, 8), 2))
    faces = np.hstack([corners, corners + random.integers(8, 20, corners.shape)])
    chosen = random.integers(0, len(faces), random.integers(0, 13))
    boxes = faces[chosen] + random.integers(-3, 4, (len(chosen), 4))
    scores = random.integers(1, 9, len(chosen)) / 8  # few values, so that many are equal
    counted = random.random(len(faces)) < 0.7
    return boxes.astype(np.float32), scores.astype(np.float32), faces.astype(np.float32), counted


def slow_average_precision(pictures: Sequence[Picture]) -> float:
    """Return the area by the rules as they are told: threshold by threshold, face by face."""
    total = sum(int(counted.sum()) for *_, counted in pictures)
    points = []
    for threshold in sorted({float(score) for _, scores, *_ in pictures for score in scores}):
        outcomes = [outcome for image in pictures for outcome in slow_judge(image, threshold)]
        found, missed = outcomes.count("hit"), outcomes.count("miss")
        if found + missed:
            points.append((found / total, found / (found + missed)))
    recalls = sorted({0.0, *(recall for recall, _ in points)})
    return sum(
        (recall - before) * max(precision for other, precision in points if other >= recall)
        for before, recall in pairwise(recalls)
    )


def slow_judge(image: Picture, threshold: float) -> list[str]:
    """Return what becomes of each detection that scores at least the threshold."""
    boxes, scores, faces, counted = image
    outcomes: list[str] = []
    taken: set[int] = set()
    ranked = sorted(zip(boxes, scores, strict=True), key=lambda pair: -pair[1])
    for box, _ in (pair for pair in ranked if pair[1] >= threshold):
        overlaps = [slow_overlap(box, face) for face in faces]
        best = overlaps.index(max(overlaps))
        if overlaps[best] < 0.5:
            outcomes.append("miss")
        elif not counted[best]:
            outcomes.append("ignored")
        else:
            outcomes.append("miss" if best in taken else "hit")
            taken.add(best)
    return outcomes


def slow_overlap(box: NDArray[np.float32], face: NDArray[np.float32]) -> float:
    """Return the intersection over union of whole-pixel boxes, by counting pixels."""
    ours, theirs = (
        {(x, y) for x in range(int(x1), int(x2)) for y in range(int(y1), int(y2))}
        for x1, y1, x2, y2 in (box, face)
    )
    return len(ours & theirs) / len(ours | theirs)
