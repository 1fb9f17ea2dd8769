import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from phiz.boxes import blending
from phiz.boxes import nms as suppression
from phiz.boxes.blending import blend_around, blend_reference, blend_weighted
from phiz.boxes.nms import nms

from .test_nms import PAIR, predictions


def points_at(*boxes: tuple[float, float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Boxes, each with its upper left corner as its one keypoint."""
    array = np.array(boxes, np.float32)
    return array, array[:, None, :2]


def test_a_vote_weighs_its_nearness_and_a_power_of_its_score() -> None:
    # IoU with the leader: 1 and 0.5, so that they are 0.7 and 0.2 above the limit.
    boxes, points = points_at((0, 0, 10, 10), (0, 5, 10, 10))
    elected, moved, best = blend_weighted(boxes, points, np.array([0.8, 0.4], np.float32), 0.3, 0.5)
    weights = np.array([0.7, 0.2]) * np.array([0.8, 0.4]) ** 0.7
    y = 5 * weights[1] / weights.sum()
    assert elected == pytest.approx(np.array([[0, y, 10, 10]]))
    assert moved == pytest.approx(np.array([[[0, y]]]))
    assert best == pytest.approx([0.8])


def test_a_vote_counts_for_the_leader_it_overlaps_most() -> None:
    # The third overlaps the first by 0.43 and the second by 0.54; the best is the first.
    boxes, points = points_at((0, 0, 10, 10), (7, 0, 17, 10), (4, 0, 14, 10))
    scores = np.array([0.9, 0.8, 0.4], np.float32)
    elected, _, _ = blend_weighted(boxes, points, scores, 0.3, 0.5)
    own, vote = 0.7 * 0.8**0.7, (70 / 130 - 0.3) * 0.4**0.7
    assert elected[0].tolist() == [0, 0, 10, 10]
    assert elected[1, 0] == pytest.approx((own * 7 + vote * 4) / (own + vote))


def test_box_at_the_limit_does_not_vote() -> None:
    elected, _, _ = blend_weighted(
        PAIR, np.zeros((2, 6, 2), np.float32), np.array([0.9, 0.4], np.float32), 0.5, 0.5
    )
    assert elected.tolist() == PAIR[:1].tolist()


def test_low_scores_elect_no_face() -> None:
    boxes, points, best = blend_weighted(
        PAIR, np.zeros((2, 6, 2), np.float32), np.full(2, 0.4, np.float32), 0.3, 0.5
    )
    assert (boxes.shape, points.shape, best.shape) == ((0, 4), (0, 6, 2), (0,))


def test_a_leader_without_area_is_elected_as_it_is() -> None:
    boxes, points = points_at((5, 5, 5, 5), (0, 0, 10, 10))
    elected, _, best = blend_weighted(boxes, points, np.array([0.9, 0], np.float32), 0.3, 0)
    assert elected.tolist() == boxes.tolist()
    assert best == pytest.approx([0.9, 0])


@given(predictions(), st.floats(0, 1), st.floats(0, 1))
def test_elected_boxes_are_the_leaders_of_suppression(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], limit: float, min_score: float
) -> None:
    boxes, keypoints, scores = made
    _, _, best = blend_weighted(boxes, keypoints, scores, limit, min_score)
    kept = scores[nms(boxes, scores, limit)]
    assert best.tolist() == kept[kept >= min_score].tolist()


@given(predictions(), st.integers(0, 99))
def test_an_election_does_not_depend_on_the_order(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> None:
    boxes, keypoints, scores = made
    order = np.random.default_rng(seed).permutation(len(boxes))
    for one, other in zip(
        blend_weighted(boxes, keypoints, scores, 0.3, 0.2),
        blend_weighted(boxes[order], keypoints[order], scores[order], 0.3, 0.2),
        strict=True,
    ):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("all_with_all", [True, False])
@given(made=predictions(), limit=st.floats(0, 0.9), min_score=st.floats(0, 1))
def test_gathered_votes_are_those_of_the_election(
    made: tuple[np.ndarray, np.ndarray, np.ndarray],
    limit: float,
    min_score: float,
    all_with_all: bool,  # noqa: FBT001  a parameter
) -> None:
    boxes, keypoints, scores = made
    able = np.flatnonzero(scores >= min_score)
    leaders = able[nms(boxes[able], scores[able], limit)]
    elected, points, _ = blend_weighted(boxes, keypoints, scores, limit, min_score)
    with pytest.MonkeyPatch.context() as patch:
        if not all_with_all:
            patch.setattr(blending, "MAX_MATRIX", 0)
        found, moved = blend_around(boxes, keypoints, scores, leaders, limit)
    assert found == pytest.approx(elected, abs=1e-4)
    assert moved == pytest.approx(points, abs=1e-4)


@pytest.mark.parametrize("block", [1, 2, 1 << 18])
def test_votes_are_gathered_in_blocks_as_in_one(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The third overlaps the first by 0.43 and the second by 0.54.
    boxes, points = points_at((0, 0, 10, 10), (7, 0, 17, 10), (4, 0, 14, 10))
    scores = np.array([0.9, 0.8, 0.4], np.float32)
    monkeypatch.setattr(suppression, "BLOCK_PAIRS", block)
    monkeypatch.setattr(blending, "MAX_MATRIX", 0)
    found, _ = blend_around(boxes, points, scores, np.array([0, 1]), 0.3)
    own, vote = 0.7 * 0.8**0.7, (70 / 130 - 0.3) * 0.4**0.7
    assert found[0].tolist() == [0, 0, 10, 10]
    assert found[1, 0] == pytest.approx((own * 7 + vote * 4) / (own + vote))


def test_no_votes_are_gathered_without_leaders() -> None:
    found, moved = blend_around(
        PAIR, PAIR[:, None, :2], np.ones(2, np.float32), np.empty(0, np.intp), 0.3
    )
    assert (found.shape, moved.shape) == ((0, 4), (0, 1, 2))


@given(predictions(), st.integers(0, 99))
def test_blend_does_not_depend_on_the_order(
    made: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> None:
    boxes, keypoints, scores = made
    order = np.random.default_rng(seed).permutation(len(boxes))
    for one, other in zip(
        blend_reference(boxes, keypoints, scores, 0.3),
        blend_reference(boxes[order], keypoints[order], scores[order], 0.3),
        strict=True,
    ):
        assert one == pytest.approx(other, abs=1e-4)


def test_blend_is_the_score_weighted_mean_with_the_best_score() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]], np.float32)
    keypoints = np.array([[[1, 1]], [[5, 1]], [[55, 55]]], np.float32)
    scores = np.array([0.25, 0.75, 0.5], np.float32)
    blended, points, best = blend_reference(boxes, keypoints, scores, 0.3)
    assert blended.tolist() == [[1.5, 0, 11.5, 10], [50, 50, 60, 60]]
    assert points.tolist() == [[[4, 1]], [[55, 55]]]
    assert best.tolist() == [0.75, 0.5]


def test_blend_of_scores_of_zero_is_the_first_alone() -> None:
    blended, _, best = blend_reference(
        PAIR, np.zeros((2, 6, 2), np.float32), np.zeros(2, np.float32), 0.3
    )
    assert blended.tolist() == PAIR[:1].tolist()
    assert best.tolist() == [0]


def test_blend_of_nothing_keeps_its_shape() -> None:
    nothing = np.empty((0, 4), np.float32), np.empty((0, 6, 2), np.float32)
    blended, points, best = blend_reference(*nothing, np.empty(0, np.float32), 0.3)
    assert (blended.shape, points.shape, best.shape) == ((0, 4), (0, 6, 2), (0,))
