import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.boxes.blending import VOTE_EXPONENT
from phiz.detectors.blazeface import (
    BLAZEFACE_LANDMARKS,
    BlazeFace,
    BlazeFaceSpec,
    decode_predictions,
)
from phiz.faces import DetectOptions, Face
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
from phiz.timings import Stopwatch

SIZE = 128
ANCHORS = np.array([[0.25, 0.5], [0.5, 0.5], [0.75, 0.5]], np.float32)


class Fixed:
    """A session that answers tensors made by hand."""

    def __init__(self, regressions: NDArray[np.float32], logits: NDArray[np.float32]) -> None:
        self.outputs = {"regressions": regressions[None], "logits": logits[None]}
        self.inputs: list[NDArray[Any]] = []

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        self.inputs.append(inputs)
        return self.outputs


def prediction(dx: float, dy: float, width: float, height: float) -> list[float]:
    """One row of regressions with its keypoints k at (k, -k) from the anchor."""
    return [dx, dy, width, height, *(c for k in range(6) for c in (k, -k))]


def logit(score: float) -> float:
    return math.log(score / (1 - score))


class Passes(Fixed):
    """A session that answers the same to each picture of a batch."""

    def __init__(self, rows: list[list[float]], score: float) -> None:
        super().__init__(
            np.array(rows, np.float32), np.array([logit(score)] * len(rows), np.float32)
        )

    def run(self, inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        outputs = super().run(inputs)
        return {name: array.repeat(len(inputs), axis=0) for name, array in outputs.items()}


def detector(
    rows: list[list[float]], scores: list[float], sampling: Sampling = "reference"
) -> BlazeFace:
    session = Fixed(
        np.array(rows, np.float32), np.array([logit(score) for score in scores], np.float32)
    )
    spec = BlazeFaceSpec(size=SIZE, cell_px=8, min_score=0.5, overlap_limit=0.3)
    return BlazeFace(
        "front", spec, session, ANCHORS[: len(rows)], sampling, sampling == "reference"
    )


def detect(model: BlazeFace, shape_hw: tuple[int, int], **options: Any) -> tuple[Face, ...]:
    image = np.zeros((*shape_hw, 3), np.uint8)
    return model.detect(LazyImage.from_array(image), DetectOptions(**options), Stopwatch()).faces


def test_decode_by_arithmetic() -> None:
    regressions = np.array([prediction(3, -4, 20, 10)], np.float32)
    boxes, keypoints, scores = decode_predictions(
        regressions, np.array([logit(0.8)], np.float32), ANCHORS[:1], SIZE, 0.5
    )
    # The anchor's centre is at (32, 64); the box's at (35, 60).
    assert boxes.tolist() == [[25, 55, 45, 65]]
    assert keypoints[0].tolist() == [[32 + k, 64 - k] for k in range(6)]
    assert scores == pytest.approx([0.8])


@pytest.mark.parametrize(
    ("logits", "expected"),
    [([1e4, -1e4, 0], [1, 0, 0.5]), ([np.inf, -np.inf, 1], [1, 0, 1 / (1 + math.exp(-1))])],
    ids=["large", "infinite"],
)
def test_extreme_logits_do_not_overflow(logits: list[float], expected: list[float]) -> None:
    regressions = np.zeros((3, 16), np.float32)
    _, _, scores = decode_predictions(regressions, np.array(logits, np.float32), ANCHORS, SIZE, 0)
    assert scores == pytest.approx(expected)


def test_a_face_in_a_picture_of_the_networks_size() -> None:
    (face,) = detect(detector([prediction(0, 0, 20, 10)], [0.8]), (SIZE, SIZE))
    assert face.box == (22, 59, 42, 69)
    assert face.score == pytest.approx(0.8)
    assert face.landmarks == {name: (32 + k, 64 - k) for k, name in enumerate(BLAZEFACE_LANDMARKS)}
    assert face.model == "front"


def test_the_letterbox_is_undone() -> None:
    (face,) = detect(detector([prediction(0, 0, 20, 10)], [0.8]), (480, 640))
    # Scale 5; the bars above and below are 80 pixels of the picture.
    assert face.box == (110, 215, 210, 265)
    assert face.landmarks["left_eye"] == (160, 240)


@pytest.mark.parametrize(
    ("min_score", "count"), [(0.79, 1), (0.81, 0), (None, 1)], ids=["below", "above", "default"]
)
def test_min_score(min_score: float | None, count: int) -> None:
    model = detector([prediction(0, 0, 20, 10)], [0.8])
    assert len(detect(model, (SIZE, SIZE), min_score=min_score)) == count


@pytest.mark.parametrize(("min_face", "count"), [(10, 1), (10.1, 0)], ids=["at", "above"])
def test_min_face_is_the_shorter_side(min_face: float, count: int) -> None:
    model = detector([prediction(0, 0, 20, 10)], [0.8])
    assert len(detect(model, (SIZE, SIZE), min_face=min_face)) == count


def test_max_faces_keeps_the_best() -> None:
    rows = [prediction(0, 0, 10, 10)] * 3
    faces = detect(detector(rows, [0.6, 0.9, 0.7]), (SIZE, SIZE), max_faces=2)
    assert [face.box[0] for face in faces] == [59, 91]


def test_overlapping_predictions_are_blended_or_suppressed() -> None:
    rows = [prediction(32, 0, 20, 20), prediction(4, 0, 20, 20)]  # centres 64 and 68
    model = detector(rows, [0.6, 0.9])
    (blended,) = detect(model, (SIZE, SIZE))
    centre = (0.6 * 64 + 0.9 * 68) / 1.5
    assert blended.box == pytest.approx((centre - 10, 54, centre + 10, 74))
    assert blended.score == pytest.approx(0.9)
    (best,) = detect(model, (SIZE, SIZE), overlap="nms")
    assert best.box == pytest.approx((58, 54, 78, 74))


def test_a_vote_below_the_limit_counts_and_makes_no_face() -> None:
    rows = [prediction(32, 0, 20, 20), prediction(4, 0, 20, 20), prediction(16, 0, 10, 10)]
    model = detector(rows, [0.3, 0.9, 0.3], sampling="half-pixel")  # centres 64, 68 and 112
    (face,) = detect(model, (SIZE, SIZE))
    # Two boxes of 20 that are 4 apart have an IoU of 16 / 24.
    own, vote = (1 - 0.3) * 0.9**VOTE_EXPONENT, (16 / 24 - 0.3) * 0.3**VOTE_EXPONENT
    centre = (vote * 64 + own * 68) / (vote + own)
    assert face.box == pytest.approx((centre - 10, 54, centre + 10, 74))
    assert face.score == pytest.approx(0.9)
    (best,) = detect(model, (SIZE, SIZE), overlap="nms")
    assert best.box == pytest.approx((58, 54, 78, 74))


@pytest.mark.parametrize("overlap", ["blend", "nms"])
def test_face_inside_a_better_face_is_no_face(overlap: str) -> None:
    rows = [prediction(0, 0, 50, 50), prediction(-32, 0, 20, 20)]  # both centres at 32, 64
    (face,) = detect(detector(rows, [0.9, 0.6], "half-pixel"), (SIZE, SIZE), overlap=overlap)
    assert face.box == pytest.approx((7, 39, 57, 89))
    as_original = detect(detector(rows, [0.9, 0.6], "reference"), (SIZE, SIZE), overlap=overlap)
    assert len(as_original) == 2, "the reference mode computes like the original"


def test_a_vote_of_next_to_nothing_does_not_count() -> None:
    rows = [prediction(32, 0, 20, 20), prediction(4, 0, 20, 20)]
    (face,) = detect(detector(rows, [0.009, 0.9], sampling="half-pixel"), (SIZE, SIZE))
    assert face.box == pytest.approx((58, 54, 78, 74))


def test_second_pass_is_half_a_cell_apart_and_votes_with_the_first() -> None:
    rows = [prediction(32, 0, 20, 20)]
    session = Passes(rows, 0.9)
    spec = BlazeFaceSpec(size=SIZE, cell_px=8, min_score=0.5, overlap_limit=0.3)
    model = BlazeFace("front", spec, session, ANCHORS[:1], "half-pixel", reference=False)
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image[60, 64] = 255
    (face,) = model.detect(LazyImage.from_array(image), DetectOptions(passes=2), Stopwatch()).faces
    # The same prediction in both means places 4 pixels apart each way, around the one of a
    # single pass, and the second weighs as its IoU with the first is above the limit.
    weight = (16 * 16 / (2 * 20 * 20 - 16 * 16) - 0.3) / (1 - 0.3)
    apart = 2 * (1 - weight) / (1 + weight)
    assert face.box == pytest.approx((54 + apart, 54 + apart, 74 + apart, 74 + apart))
    assert face.landmarks["nose"] == pytest.approx((32 + 2 + apart, 64 - 2 + apart))
    (squares,) = session.inputs
    assert [np.argwhere(square[..., 0]).tolist() for square in squares] == [[[58, 62]], [[62, 66]]]


def test_a_box_is_clipped_and_one_in_the_bars_is_no_face() -> None:
    rows = [prediction(-32, 0, 20, 10), prediction(0, -60, 10, 6)]  # at the left; in the bar
    (face,) = detect(detector(rows, [0.8, 0.9]), (480, 640))
    assert face.box == (0, 215, 50, 265)


def test_no_prediction_is_no_face() -> None:
    assert detect(detector([prediction(0, 0, 20, 10)], [0.1]), (33, 77)) == ()


def test_the_network_sees_the_letterboxed_picture() -> None:
    model = detector([prediction(0, 0, 20, 10)], [0.8])
    image = np.full((64, 128, 3), 200, np.uint8)
    model.detect(LazyImage.from_array(image), DetectOptions(), Stopwatch())
    assert isinstance(model.session, Fixed)
    (square,) = model.session.inputs
    assert square.shape == (1, SIZE, SIZE, 3)
    assert square.dtype == np.uint8
    assert (square[0, 32:96] == 200).all()
    assert not square[0, :32].any()


def test_stages_are_timed() -> None:
    stopwatch = Stopwatch()
    model = detector([prediction(0, 0, 20, 10)], [0.8])
    model.detect(LazyImage.from_array(np.zeros((8, 8, 3), np.uint8)), DetectOptions(), stopwatch)
    stages = stopwatch.to_timings().stages
    assert [stage for stage, seconds in stages.items() if seconds] == [
        "decode",
        "preprocess",
        "inference",
        "postprocess",
    ]
