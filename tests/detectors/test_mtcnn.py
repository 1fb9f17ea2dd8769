from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from phiz.detectors import Detector
from phiz.detectors import mtcnn as cascade
from phiz.detectors.mtcnn import Mtcnn, batches, calibrate, cut, nms_min
from phiz.detectors.pyramid import tiles
from phiz.faces import DetectOptions
from phiz.picture import Picture
from phiz.resample import Sampling
from phiz.runtime import Session
from phiz.timings import Stopwatch


@pytest.fixture
def mtcnn(load_with: Callable[[Sampling], dict[str, Detector]]) -> Mtcnn:
    detector = load_with("reference")["mtcnn"]
    assert isinstance(detector, Mtcnn)
    return detector


@pytest.mark.parametrize(
    "shape_hw",
    [
        (12, 12),
        (13, 40),
        (14, 41),
        (73, 40),
        (74, 40),
        (75, 41),
        (76, 40),
        (200, 13),
        (12, 3000),
        (3000, 12),
        (300, 1100),
    ],
    ids=str,
)
def test_tiles_see_what_the_whole_level_sees(mtcnn: Mtcnn, shape_hw: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).uniform(0, 255, (*shape_hw, 3)).astype(np.float32)
    whole = {name: output[0] for name, output in mtcnn.pnet.run(pixels[None]).items()}
    joined = {name: np.full_like(output, np.nan) for name, output in whole.items()}
    for (left, top), (rows, columns) in tiles(shape_hw):
        tile = pixels[rows.start : rows.stop, columns.start : columns.stop]
        for name, output in mtcnn.pnet.run(tile[None]).items():
            height, width = output.shape[1:3]
            assert np.isnan(joined[name][top : top + height, left : left + width]).all()
            joined[name][top : top + height, left : left + width] = output[0]
    for name, expected in whole.items():
        assert joined[name] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("inclusive", "expected"),
    [
        pytest.param(0, [0, 0, 15, 10], id="half-open: a side of 10"),
        pytest.param(1, [0, 0, 15.5, 10], id="inclusive: a side of 11"),
    ],
)
def test_calibrate(inclusive: float, expected: list[float]) -> None:
    box = np.array([[0, 0, 10, 10]], np.float32)
    regression = np.array([[0, 0, 0.5, 0]], np.float32)
    assert calibrate(box, regression, np.float32(inclusive)).tolist() == [expected]


@pytest.mark.parametrize(
    ("box", "region"),
    [
        pytest.param([10.9, 5.2, 20.9, 15.7], [9, 4, 20, 15], id="truncated, counted from 1"),
        pytest.param([-7, -0.5, 20, 15], [0, 0, 20, 15], id="over the left and upper border"),
        pytest.param([30, 30, 90, 90], [29, 29, 40, 50], id="over the right and lower border"),
        pytest.param([41, 5, 60, 20], None, id="beyond the right border"),
        pytest.param([5, -30, 20, -2], None, id="above the picture"),
    ],
)
def test_cut(box: list[float], region: list[int] | None) -> None:
    boxes, regions = cut(np.array([box], np.float32), (50, 40))
    assert regions.tolist() == ([] if region is None else [region])
    assert len(boxes) == len(regions)


@pytest.mark.parametrize(("limit", "kept"), [(0.99, [0]), (1, [0, 1])], ids=["above", "at"])
def test_nms_min_measures_by_the_smaller_box(limit: float, kept: list[int]) -> None:
    boxes = np.array([[0, 0, 99, 99], [10, 10, 19, 19]], np.float32)  # one inside the other
    assert nms_min(boxes, np.array([0.9, 0.8], np.float32), limit).tolist() == kept


def test_nms_min_takes_the_last_of_equal_scores() -> None:
    boxes = np.array([[0, 0, 99, 99], [10, 10, 89, 89]], np.float32)
    assert nms_min(boxes, np.array([1, 1], np.float32), 0.7).tolist() == [1]


def test_nms_min_ends_on_nan() -> None:
    boxes = np.full((3, 4), np.nan, np.float32)
    assert len(nms_min(boxes, np.ones(3, np.float32), 0.7)) == 3


def test_batches() -> None:
    assert list(batches(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(batches(0, 2)) == []


@pytest.mark.parametrize(
    "shape_hw", [(1, 1), (5, 300), (19, 19), (20, 20), (24, 13), (700, 21)], ids=str
)
def test_small_and_thin_pictures_have_no_face(mtcnn: Mtcnn, shape_hw: tuple[int, int]) -> None:
    image = np.full((*shape_hw, 3), 128, np.uint8)
    assert mtcnn.detect(Picture.of(image), DetectOptions(), Stopwatch()).faces == ()


@pytest.mark.parametrize("shape_hw", [(20, 200_000), (200_000, 20)], ids=str)
def test_extreme_shapes_cost_no_more_than_their_pixels(
    mtcnn: Mtcnn, shape_hw: tuple[int, int]
) -> None:
    runs: list[tuple[int, ...]] = []

    class Noted:
        def run(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
            runs.append(inputs.shape)
            return mtcnn.pnet.run(inputs)

    picture = Picture.of_raster(np.zeros(shape_hw, np.uint32))
    assert replace(mtcnn, pnet=Noted()).detect(picture, DetectOptions(), Stopwatch()).faces == ()
    seen = [height * width for _, height, width, _ in runs]
    assert max(seen) < 200_000
    assert sum(seen) < 2 * 0.6**2 * 20 * 200_000 / (1 - 0.709**2)


def test_a_picture_full_of_proposals_is_bounded(
    mtcnn: Mtcnn, picture: Callable[[str], Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    crops: dict[str, int] = {}

    class Noted:
        def __init__(self, name: str, network: Session) -> None:
            self.name, self.network = name, network

        def run(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
            crops[self.name] = crops.get(self.name, 0) + len(inputs)
            return self.network.run(inputs)

    noted = replace(mtcnn, rnet=Noted("rnet", mtcnn.rnet), onet=Noted("onet", mtcnn.onet))
    crowd = picture("row_960x540.png")
    found = noted.detect(crowd, DetectOptions(), Stopwatch()).faces
    free = dict(crops)
    assert free["rnet"] > 40
    assert free["onet"] > 10
    crops.clear()
    monkeypatch.setattr(cascade, "MAX_REFINED", 40)
    monkeypatch.setattr(cascade, "MAX_OUTPUT", 3)
    fewer = noted.detect(crowd, DetectOptions(), Stopwatch()).faces
    assert crops == {"rnet": 40, "onet": 3}
    assert 0 < len(fewer) <= 3 < len(found)


def test_stages_and_parts_are_timed(mtcnn: Mtcnn, picture: Callable[[str], Picture]) -> None:
    stopwatch = Stopwatch()
    mtcnn.detect(picture("group_640x480.png"), DetectOptions(), stopwatch)
    timings = stopwatch.timings()
    assert {stage for stage, seconds in timings.stages.items() if seconds} == {
        "decode",
        "preprocess",
        "inference",
        "postprocess",
    }
    assert list(timings.parts) == ["pnet", "rnet", "onet"]
    assert sum(timings.parts.values()) == pytest.approx(timings.stages["inference"])
