import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.boxes import nms as suppression
from phiz.boxes.blending import blend_reference
from phiz.boxes.geometry import box_area, box_iou, compute_intersections
from phiz.boxes.nms import (
    BLOCK_LEADERS,
    PAIRWISE_MIN_COUNT,
    find_intersecting_pairs,
    find_leaders,
    find_single_faces,
    group_by_leader,
    nms,
    nms_by_shared_area,
)


def slow_nms(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[int]:
    """The rule, word for word: a box stays unless a better one that stays overlaps it."""
    kept: list[int] = []
    for candidate in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(box_iou(boxes[better], boxes[[candidate]])[0] <= limit for better in kept):
            kept.append(candidate)
    return kept


@st.composite
def predictions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = draw(st.integers(0, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = rng.uniform(0, 20, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(0, 15, (count, 2))], axis=1)
    scores = rng.permutation(count) / max(count, 1)
    keypoints = rng.uniform(0, 30, (count, 6, 2))
    return boxes.astype(np.float32), keypoints.astype(np.float32), scores.astype(np.float32)


PAIR = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)  # IoU is exactly 0.5


@pytest.mark.parametrize(
    ("limit", "kept"),
    [
        pytest.param(0.49, [1], id="IoU above the limit"),
        pytest.param(0.5, [1, 0], id="IoU at the limit stays"),
        pytest.param(0.51, [1, 0], id="IoU below the limit"),
    ],
)
def test_nms_limit(limit: float, kept: list[int]) -> None:
    assert nms(PAIR, np.array([0.6, 0.9], np.float32), limit).tolist() == kept


def test_nms_of_nothing() -> None:
    kept = nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.5)
    assert kept.shape == (0,)
    assert kept.dtype == np.intp


def test_first_of_equal_scores_leads() -> None:
    assert nms(PAIR, np.array([0.9, 0.9], np.float32), 0.3).tolist() == [0]


@pytest.mark.parametrize(
    "box",
    [
        pytest.param([5, 5, 5, 5], id="without area"),
        pytest.param([np.nan] * 4, id="NaN"),
        pytest.param([9, 9, 1, 1], id="inside out"),
    ],
)
def test_a_degenerate_box_ends_and_takes_nothing(
    box: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = np.array([box, box, [0, 0, 10, 10]], np.float32)
    scores = np.array([0.9, 0.8, 0.7], np.float32)
    assert find_leaders(boxes, scores, 0.3).tolist() == [0, 1, 2]
    for first in (0, 1, 16):
        monkeypatch.setattr(suppression, "FIRST_LEADERS", first)
        assert nms(boxes, scores, 0.3).tolist() == [0, 1, 2]


@pytest.mark.parametrize("first", [0, 2, 16])
@given(made=predictions(), limit=st.floats(0, 1))
def test_nms_equals_the_slow_rule(
    first: int, made: tuple[np.ndarray, np.ndarray, np.ndarray], limit: float
) -> None:
    boxes, _, scores = made
    expected = slow_nms(boxes, scores, limit)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression, "FIRST_LEADERS", first)
        assert nms(boxes, scores, limit).tolist() == expected
    assert find_leaders(boxes, scores, limit).tolist() == expected


@pytest.mark.parametrize("count", [PAIRWISE_MIN_COUNT, PAIRWISE_MIN_COUNT + 1])
def test_leaders_of_few_boxes_and_of_many_follow_one_rule(count: int) -> None:
    rng = np.random.default_rng(count)
    low = rng.uniform(0, 40, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 15, (count, 2))], axis=1).astype(np.float32)
    scores = rng.integers(0, 9, count).astype(np.float32)  # some are equal
    expected = slow_nms(boxes, scores, 0.3)
    assert find_leaders(boxes, scores, 0.3).tolist() == expected
    assert 1 < len(expected) < count


@given(predictions(), st.floats(0, 1))
def test_nms_twice_is_nms_once(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], limit: float
) -> None:
    boxes, _, scores = made
    once = nms(boxes, scores, limit)
    assert nms(boxes[once], scores[once], limit).tolist() == list(range(len(once)))


@given(predictions())
def test_every_prediction_belongs_to_one_group(
    made: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    boxes, _, scores = made
    members = [
        index for _, group in group_by_leader(boxes, scores, 0.3) for index in group.tolist()
    ]
    assert sorted(members) == list(range(len(boxes)))


def slow_groups(boxes: np.ndarray, scores: np.ndarray, limit: float) -> list[list[int]]:
    """The rule, word for word: the best one left takes all that are left and overlap it."""
    left = sorted(range(len(boxes)), key=lambda index: -scores[index])
    found = []
    while left:
        leader, *others = left
        taken = [other for other in others if box_iou(boxes[leader], boxes[[other]])[0] > limit]
        left = [other for other in others if other not in taken]
        found.append([leader, *taken])
    return found


@pytest.mark.parametrize("side", [20, 60, 400], ids=["crowded", "close", "apart"])
def test_groups_equal_the_slow_rule_in_more_than_one_block(side: int) -> None:
    rng = np.random.default_rng(side)
    count = 3 * BLOCK_LEADERS + 1
    low = rng.uniform(0, side, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(5, 15, (count, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32)
    found = [members.tolist() for _, members in group_by_leader(boxes, scores, 0.3)]
    assert found == slow_groups(boxes, scores, 0.3)


def test_input_is_left_alone() -> None:
    boxes, keypoints, scores = PAIR.copy(), np.ones((2, 6, 2), np.float32), np.ones(2, np.float32)
    blend_reference(boxes, keypoints, scores, 0.3)
    assert boxes.tolist() == PAIR.tolist()


@given(predictions(), st.floats(0, 1))
def test_many_boxes_are_suppressed_as_few_are(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], limit: float
) -> None:
    boxes, _, scores = made
    leaders = [leader for leader, _ in group_by_leader(boxes, scores, limit)]
    assert nms(boxes, scores, limit).tolist() == leaders


@pytest.mark.parametrize("block", [1, 7, 1 << 18])
@given(made=predictions())
def test_all_boxes_that_share_pixels_are_paired_once(
    block: int, made: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    boxes, _, _ = made
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suppression, "BLOCK_PAIRS", block)
        found = [
            frozenset(pair) for pairs in find_intersecting_pairs(boxes) for pair in pairs.T.tolist()
        ]
    assert len(set(found)) == len(found)
    assert all(len(pair) == 2 for pair in found)
    sharing = {
        frozenset((i, j))
        for i in range(len(boxes))
        for j in range(i)
        if box_iou(boxes[i], boxes[[j]])[0] > 0
    }
    assert sharing <= set(found)


@pytest.mark.parametrize("axis", [0, 1], ids=["wide", "tall"])
def test_a_crowd_is_suppressed_in_few_pairs(axis: int) -> None:
    rng = np.random.default_rng(1)
    low = rng.uniform(0, [[40_000, 40], [40, 40_000]][axis], (3000, 2))
    boxes = np.concatenate([low, low + 20], axis=1).astype(np.float32)
    scores = rng.uniform(0, 1, len(boxes)).astype(np.float32)
    assert sum(pairs.shape[1] for pairs in find_intersecting_pairs(boxes)) < 10 * len(boxes)
    assert nms(boxes, scores, 0.2).tolist() == [
        leader for leader, _ in group_by_leader(boxes, scores, 0.2)
    ]


def slow_nms_by_shared_area(
    boxes: np.ndarray, scores: np.ndarray, max_shared: np.ndarray
) -> list[int]:
    """The rule, word for word: a box stays unless it shares too much with a better one."""
    kept: list[int] = []
    for candidate in sorted(range(len(boxes)), key=lambda index: -scores[index]):
        if all(
            compute_intersections(boxes[better], boxes[[candidate]])[0]
            <= min(max_shared[better], max_shared[candidate])
            for better in kept
        ):
            kept.append(candidate)
    return kept


@pytest.mark.parametrize("count", [0, 1, 2, 12, PAIRWISE_MIN_COUNT, PAIRWISE_MIN_COUNT + 1, 300])
def test_nms_by_shared_area_equals_the_slow_rule_for_few_and_many(count: int) -> None:
    rng = np.random.default_rng(count)
    low = rng.uniform(0, 60, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(0, 25, (count, 2))], axis=1).astype(np.float32)
    scores = (rng.permutation(count) // 2).astype(np.float32)  # some are equal
    max_shared = (rng.choice([0.2, 0.4], count) * box_area(boxes)).astype(np.float32)
    expected = slow_nms_by_shared_area(boxes, scores, max_shared)
    assert nms_by_shared_area(boxes, scores, max_shared).tolist() == expected


FACE = (100, 100, 200, 200)


@pytest.mark.parametrize(
    ("other", "size_wh", "count"),
    [
        pytest.param((140, 140, 160, 160), (1000, 1000), 1, id="inside"),
        pytest.param((90, 90, 210, 210), (1000, 1000), 1, id="around"),
        pytest.param((124, 100, 224, 200), (1000, 1000), 1, id="shares more than the limit"),
        pytest.param((126, 100, 226, 200), (1000, 1000), 2, id="shares less than the limit"),
        pytest.param((170, 100, 270, 200), (270, 270), 1, id="large, shares more than the limit"),
        pytest.param((181, 100, 281, 200), (270, 281), 2, id="large, shares less than the limit"),
        pytest.param((170, 100, 270, 200), (271, 271), 2, id="just not large"),
    ],
)
def test_two_boxes_are_one_face_or_two(
    other: tuple[int, ...], size_wh: tuple[int, int], count: int
) -> None:
    boxes = np.array([other, FACE], np.float32)
    scores = np.array([0.6, 0.9], np.float32)
    assert find_single_faces(boxes, scores, size_wh).tolist() == [1, 0][:count]


@given(predictions())
def test_single_faces_are_single_when_asked_again(
    made: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    boxes, _, scores = made
    once = find_single_faces(boxes, scores, (30, 30))
    again = find_single_faces(boxes[once], scores[once], (30, 30))
    assert again.tolist() == list(range(len(once)))
