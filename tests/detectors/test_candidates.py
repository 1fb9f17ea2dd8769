from collections.abc import Callable

import numpy as np
import pytest

from phiz.detectors.candidates import (
    Candidates,
    Region,
    are_boxes_cut,
    are_centres_inside,
    confirm_boxes,
    find_region,
    merge_candidates,
)
from phiz.detectors.detector import Detector
from phiz.detectors.mtcnn import Mtcnn
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
from phiz.models.router_config import RegionRule
from phiz.timings import Stopwatch
from tests.detectors.test_goldens import EXPECTED

RULE = RegionRule(min_confidence=0.2, min_confidence_alone=0.01, max_side_share=0.1, margin=2)
EVERYWHERE = Region(0, 0, 1000, 1000)


def candidates(*rows: tuple[float, float, float, float, float]) -> Candidates:
    """Return candidates of boxes with confidences; all landmarks are in the corner of the box."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    points = np.repeat(table[:, None, :2], 5, axis=1)
    return Candidates(table[:, :4], points, table[:, 4])


def test_region_lies_around_small_candidates() -> None:
    found = candidates((500, 400, 520, 420, 0.9), (540, 400, 560, 420, 0.3))
    assert find_region(found, (1000, 800), RULE) == Region(460, 360, 600, 460)


def test_region_stays_in_the_image() -> None:
    found = candidates((5, 5, 25, 25, 0.9), (970, 770, 990, 790, 0.9))
    assert find_region(found, (1000, 800), RULE) == Region(0, 0, 1000, 800)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param((100, 100, 300, 300, 0.9), id="large"),
        pytest.param((100, 100, 120, 120, 0.005), id="unlikely"),
    ],
)
def test_other_candidates_have_no_region(row: tuple[float, float, float, float, float]) -> None:
    assert find_region(candidates(row), (1000, 800), RULE) is None
    assert find_region(candidates(), (1000, 800), RULE) is None


def test_an_unlikely_candidate_is_in_the_region_only_without_a_sure_face() -> None:
    unlikely = (100, 100, 120, 120, 0.1)
    assert find_region(candidates(unlikely), (1000, 800), RULE) == Region(60, 60, 160, 160)
    both = candidates(unlikely, (500, 100, 520, 120, 0.9))
    assert find_region(both, (1000, 800), RULE) == Region(460, 60, 560, 160)


def test_a_tiny_candidate_has_the_margin_of_a_larger_one() -> None:
    region = find_region(candidates((500, 400, 502, 402, 0.9)), (1000, 800), RULE)
    assert region == Region(476, 376, 526, 426)


def test_region_contains_the_centres_of_boxes() -> None:
    boxes = np.array([[90, 90, 120, 120], [0, 0, 199, 199], [300, 0, 310, 10]], np.float32)
    assert Region(100, 50, 200, 150).contains(boxes).tolist() == [True, False, False]


def test_a_face_of_both_passes_is_surer_than_that_of_one() -> None:
    both = candidates((100, 100, 140, 140, 0.8), (300, 300, 340, 340, 0.8))
    near = candidates((104, 100, 144, 140, 0.8))
    merged = merge_candidates(both, near, EVERYWHERE)
    order = np.argsort(merged.boxes[:, 0])
    first, second = merged.confidences[order]
    assert second < 0.5
    assert first > 0.8
    np.testing.assert_allclose(merged.boxes[order][0], [102, 100, 142, 140])
    np.testing.assert_allclose(merged.keypoints[order][0, 0], [102, 100])


def test_means_are_weighted_by_confidence() -> None:
    merged = merge_candidates(
        candidates((100, 100, 140, 140, 0.9)), candidates((110, 100, 150, 140, 0.1)), EVERYWHERE
    )
    np.testing.assert_allclose(merged.boxes, [[101, 100, 141, 140]], rtol=1e-5)


def test_candidates_outside_the_region_keep_their_confidence() -> None:
    whole = candidates((100, 100, 140, 140, 0.8), (700, 700, 740, 740, 0.7))
    merged = merge_candidates(whole, candidates(), Region(0, 0, 500, 500))
    by_place = dict(zip(merged.boxes[:, 0].tolist(), merged.confidences.tolist(), strict=True))
    assert by_place[700] == pytest.approx(0.7)
    assert by_place[100] < 0.7


def test_the_best_of_several_in_the_other_pass_is_the_partner() -> None:
    near = candidates((98, 100, 138, 140, 0.3), (104, 100, 144, 140, 0.7))
    merged = merge_candidates(candidates((100, 100, 140, 140, 0.7)), near, EVERYWHERE)
    assert len(merged.boxes) == 1
    np.testing.assert_allclose(merged.boxes[0], [102, 100, 142, 140], rtol=1e-5)


@pytest.mark.parametrize("place", [0, 1])
def test_a_pass_without_candidates_adds_nothing(place: int) -> None:
    parts = [candidates((100, 100, 140, 140, 0.9)), candidates()]
    merged = merge_candidates(parts[place], parts[1 - place], EVERYWHERE)
    np.testing.assert_allclose(merged.boxes, [[100, 100, 140, 140]])
    empty = merge_candidates(candidates(), candidates(), EVERYWHERE)
    assert (empty.boxes.shape, empty.keypoints.shape) == ((0, 4), (0, 5, 2))


def test_centres_outside_an_image_are_told_apart() -> None:
    boxes = np.array([[10, 10, 30, 30], [90, 90, 130, 130], [-40, 10, 20, 30]], np.float32)
    assert are_centres_inside(boxes, (0, 0), (100, 100)).tolist() == [True, False, False]


def test_boxes_at_the_border_are_cut() -> None:
    boxes = np.array(
        [[100, 100, 200, 200], [-5, 100, 95, 200], [100, 2, 200, 102], [950, 100, 999, 150]]
    )
    assert are_boxes_cut(boxes.astype(np.float32), (1000, 800)).tolist() == [
        False,
        True,
        True,
        True,
    ]
    assert are_boxes_cut(boxes.astype(np.float32), (200, 800)).tolist()[0]


def test_onet_confirms_a_face_and_nothing_else(
    load_with: Callable[[Sampling], dict[str, Detector]], read_image: Callable[[str], LazyImage]
) -> None:
    cascade = load_with("half-pixel")["mtcnn"]
    assert isinstance(cascade, Mtcnn)
    (expected,) = EXPECTED["mtcnn_facenet_pytorch"]["selfie_360x640.png"]
    truth = np.array(expected["box"], np.float32)
    boxes = np.stack([truth + 6, truth - 100, truth + 2000]).astype(np.float32)
    points = np.zeros((3, 5, 2), np.float32)
    pixels = read_image("selfie_360x640.png").decode_full()
    better, landmarks, scores = confirm_boxes(cascade, pixels, boxes, points, Stopwatch())
    assert scores[0] > 0.95
    assert scores[1] < 0.5
    assert scores[2] == 0
    assert np.abs(better[0] - truth).max() < np.abs(boxes[0] - truth).max() + 1
    np.testing.assert_allclose(landmarks[0], expected["landmarks"], atol=6)
    np.testing.assert_array_equal(better[1:], boxes[1:])
    np.testing.assert_array_equal(landmarks[1:], points[1:])


def test_onet_sees_the_same_crops_in_a_part_of_the_image(
    load_with: Callable[[Sampling], dict[str, Detector]], read_image: Callable[[str], LazyImage]
) -> None:
    cascade = load_with("half-pixel")["mtcnn"]
    assert isinstance(cascade, Mtcnn)
    pixels = read_image("row_960x540.png").decode_full()
    rng = np.random.default_rng(4)
    centres, sides = rng.uniform(0, (960, 540), (8, 2)), rng.uniform(24, 200, (8, 1))
    boxes = np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)
    points = np.zeros((1, 5, 2), np.float32)
    for box in boxes:
        _, _, scores = confirm_boxes(cascade, pixels, box[None], points, Stopwatch())
        _, expected, _ = cascade.run_onet(compute_integral(pixels), box[None], -1.0, Stopwatch())
        np.testing.assert_allclose(scores, expected, atol=1e-6)
