import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from phiz.detectors.anchor_free import (
    MAX_PREDICTIONS,
    AnchorFree,
    align_scale,
    compute_input_shape,
    decode_centerface,
    decode_yunet,
)
from phiz.detectors.factory import load_detectors
from phiz.faces import DetectOptions
from phiz.image.lazy import LazyImage
from phiz.models.catalog import load_catalog
from phiz.runtime import Session
from phiz.timings import Stopwatch

Maps = Mapping[str, NDArray[np.float32]]
NAMES = ("yunet", "centerface")


@pytest.fixture(scope="module", params=NAMES)
def detector(request: pytest.FixtureRequest, models_folder: Path) -> AnchorFree:
    found = load_detectors(load_catalog(), models_folder, "half-pixel", [request.param])
    loaded = found[request.param]
    assert isinstance(loaded, AnchorFree)
    return loaded


def make_maps(strides: tuple[int, ...], channels: int, side: int) -> Maps:
    random = np.random.default_rng(3)
    return {
        f"stride{stride}": random.normal(0, 1.5, (channels, side // stride, side // stride)).astype(
            np.float32
        )
        for stride in strides
    }


def decode_yunet_slowly(maps: Maps, min_score: float) -> list[list[float]]:
    found = []
    for stride in (8, 16, 32):
        cells = maps[f"stride{stride}"].astype(np.float64)
        for row, column in np.ndindex(cells.shape[1:]):
            face, thing, x, y, width, height, *points = cells[:, row, column]
            score = math.sqrt(1 / (1 + math.exp(-face)) / (1 + math.exp(-thing)))
            if score >= min_score:
                x, y = (column + x) * stride, (row + y) * stride
                width, height = math.exp(width) * stride, math.exp(height) * stride
                box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
                base = (column, row) * 5
                points = [(p + b) * stride for p, b in zip(points, base, strict=True)]
                found.append([score, *box, *points])
    return sorted(found, reverse=True)


def decode_centerface_slowly(maps: Maps, min_score: float) -> list[list[float]]:
    found = []
    cells = maps["stride4"].astype(np.float64)
    for row, column in np.ndindex(cells.shape[1:]):
        heat, height, width, y, x, *points = cells[:, row, column]
        score = 1 / (1 + math.exp(-heat))
        if score >= min_score:
            height, width = 4 * math.exp(height), 4 * math.exp(width)
            left = 4 * (column + x + 0.5) - width / 2
            top = 4 * (row + y + 0.5) - height / 2
            box = [left, top, left + width, top + height]
            pairs = [(points[2 * k + 1], points[2 * k]) for k in range(5)]
            flat = [n for px, py in pairs for n in (px * width + left, py * height + top)]
            found.append([score, *box, *flat])
    return sorted(found, reverse=True)


@pytest.mark.parametrize("min_score", [0.0, 0.3, 0.8])
@pytest.mark.parametrize(
    ("decode", "decode_slowly", "strides", "channels"),
    [
        (decode_yunet, decode_yunet_slowly, (8, 16, 32), 16),
        (decode_centerface, decode_centerface_slowly, (4,), 15),
    ],
    ids=NAMES,
)
def test_decoding_equals_the_formulas_cell_by_cell(
    decode: Callable[[Maps, float], tuple[NDArray[np.float32], ...]],
    decode_slowly: Callable[[Maps, float], list[list[float]]],
    strides: tuple[int, ...],
    channels: int,
    min_score: float,
) -> None:
    maps = make_maps(strides, channels, 96)
    boxes, keypoints, scores = decode(maps, min_score)
    expected = np.array(decode_slowly(maps, min_score))
    assert len(expected) > 0
    np.testing.assert_allclose(scores, expected[:, 0], rtol=1e-5)
    np.testing.assert_allclose(boxes, expected[:, 1:5], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(
        keypoints.reshape(len(keypoints), -1), expected[:, 5:], rtol=1e-4, atol=1e-3
    )


def test_maps_of_faces_everywhere_give_bounded_predictions() -> None:
    maps = {"stride4": np.full((15, 300, 300), 10.0, np.float32)}
    boxes, _, _ = decode_centerface(maps, 0.1)
    assert len(boxes) == MAX_PREDICTIONS


def test_maps_of_extreme_values_give_finite_scores() -> None:
    maps = {"stride4": np.full((15, 2, 2), 1e6, np.float32)}
    boxes, keypoints, scores = decode_centerface(maps, 0.1)
    assert scores.tolist() == [1.0] * 4
    assert np.isfinite(boxes).all()
    assert np.isfinite(keypoints).all()


@pytest.mark.parametrize(
    ("scale", "aligned"),
    [
        pytest.param(1920 / 1024, 2, id="1920 pixels"),
        pytest.param(3840 / 1024, 4, id="3840 pixels"),
        pytest.param(8.0, 8, id="as decoded"),
        pytest.param(1.0, 1, id="not reduced"),
        pytest.param(0.95, 1, id="barely enlarged"),
        pytest.param(1.8, 1.8, id="too far"),
        pytest.param(2.01, 2.01, id="beyond"),
        pytest.param(9.0, 9, id="beyond all"),
    ],
)
def test_scale_is_aligned_with_one_of_decoding(scale: float, aligned: float) -> None:
    assert align_scale(scale) == aligned


@pytest.mark.parametrize(
    ("options", "shape_hw"),
    [
        pytest.param(DetectOptions(), (544, 960), id="default"),
        pytest.param(DetectOptions(input_size=1024), (576, 1024), id="asked for"),
        pytest.param(DetectOptions(min_face=15), (544, 960), id="minimum face"),
    ],
)
def test_default_input_needs_no_resizing(
    detector: AnchorFree, options: DetectOptions, shape_hw: tuple[int, int]
) -> None:
    scale = detector.choose_scale((1920, 1080), options, Stopwatch())
    assert compute_input_shape((1920, 1080), scale) == shape_hw


@pytest.mark.parametrize(
    ("size_wh", "scale", "shape_hw"),
    [
        ((640, 480), 1.0, (480, 640)),
        ((641, 479), 1.0, (480, 672)),
        ((1, 1), 1.0, (32, 32)),
        ((1280, 720), 2.0, (384, 640)),
        ((65_535, 1), 65_535 / 1024, (32, 1024)),
    ],
)
def test_input_holds_the_scaled_image_in_multiples_of_32(
    size_wh: tuple[int, int], scale: float, shape_hw: tuple[int, int]
) -> None:
    assert compute_input_shape(size_wh, scale) == shape_hw


@pytest.mark.parametrize(
    ("name", "count"), [("group_640x480.png", 4), ("row_960x540.png", 6), ("selfie_360x640.png", 1)]
)
def test_faces_of_the_pictures_are_found(
    detector: AnchorFree, read_image: Callable[[str], LazyImage], name: str, count: int
) -> None:
    found = detector.detect(read_image(name), DetectOptions(), Stopwatch()).faces
    assert len(found) == count
    for face in found:
        x1, y1, x2, y2 = face.box
        left, right = face.landmarks["left_eye"], face.landmarks["right_eye"]
        assert x1 < left[0] < right[0] < x2
        assert all(x1 < x < x2 and y1 < y < y2 for x, y in face.landmarks.values())


@dataclass
class Clock:
    """A clock that moves only when work is done."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Recording:
    """A session that tells the shapes of its inputs, and takes a millisecond for 10,000 pixels."""

    session: Session
    clock: Clock
    shapes: list[tuple[int, ...]] = field(default_factory=list)

    def run(self, inputs: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        self.shapes.append(inputs.shape)
        self.clock.now += math.prod(inputs.shape[1:3]) / 1e7
        return self.session.run(inputs)


def find_input_shape(
    detector: AnchorFree, size_wh: tuple[int, int], options: DetectOptions
) -> tuple[int, ...]:
    clock = Clock()
    session = Recording(detector.session, clock)
    recorded = replace(detector, session=session, get_cost_s=lambda: 1e-7)
    image = LazyImage.from_array(np.zeros((*size_wh[::-1], 3), np.uint8))
    recorded.detect(image, options, Stopwatch(clock=clock))
    return session.shapes[0][1:3]


@pytest.mark.parametrize(
    ("options", "shape_hw"),
    [
        pytest.param({}, (480, 640), id="as-it-is"),
        pytest.param({"min_face": 32.0}, (256, 320), id="large-faces"),
        pytest.param({"min_face": 64.0}, (128, 160), id="larger-faces"),
        pytest.param({"input_size": 320}, (256, 320), id="smaller"),
        pytest.param({"input_size": 1536}, (480, 640), id="never-enlarged"),
        pytest.param({"budget_ms": 1000.0}, (480, 640), id="long-budget"),
        pytest.param({"budget_ms": 10.0}, (288, 352), id="budget"),
        pytest.param({"budget_ms": 1.0}, (128, 160), id="short-budget"),
        pytest.param({"budget_ms": 10.0, "input_size": 256}, (192, 256), id="smaller-in-budget"),
    ],
)
def test_options_choose_the_size_of_the_input(
    detector: AnchorFree, options: dict[str, Any], shape_hw: tuple[int, int]
) -> None:
    assert find_input_shape(detector, (640, 480), DetectOptions(**options)) == shape_hw


def test_the_input_is_bounded(detector: AnchorFree) -> None:
    height, width = find_input_shape(detector, (1600, 1500), DetectOptions(input_size=1536))
    assert height * width <= 1.1 * detector.spec.max_input_pixels  # in multiples of 32


def test_costs_are_those_of_this_machine(detector: AnchorFree) -> None:
    assert 1e-10 < detector.get_cost_s() == detector.get_cost_s() < 1e-4
