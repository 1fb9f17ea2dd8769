import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from phiz.detectors import mtcnn as cascade
from phiz.detectors.detector import Detector
from phiz.detectors.mtcnn import Mtcnn, split_into_batches
from phiz.detectors.pyramid import split_into_tiles
from phiz.faces import DetectOptions
from phiz.image.integral import compute_integral
from phiz.image.lazy import LazyImage
from phiz.image.resample import Sampling
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
    for (left, top), (rows, columns) in split_into_tiles(shape_hw):
        tile = pixels[rows.start : rows.stop, columns.start : columns.stop]
        for name, output in mtcnn.pnet.run(tile[None]).items():
            height, width = output.shape[1:3]
            assert np.isnan(joined[name][top : top + height, left : left + width]).all()
            joined[name][top : top + height, left : left + width] = output[0]
    for name, expected in whole.items():
        assert joined[name] == pytest.approx(expected, abs=1e-5)


def test_batches() -> None:
    assert list(split_into_batches(5, 2)) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert list(split_into_batches(0, 2)) == []


@pytest.mark.parametrize(
    "shape_hw", [(1, 1), (5, 300), (19, 19), (20, 20), (24, 13), (700, 21)], ids=str
)
def test_small_and_thin_pictures_have_no_face(mtcnn: Mtcnn, shape_hw: tuple[int, int]) -> None:
    image = np.full((*shape_hw, 3), 128, np.uint8)
    assert mtcnn.detect(LazyImage.from_array(image), DetectOptions(), Stopwatch()).faces == ()


@pytest.mark.parametrize("shape_hw", [(20, 200_000), (200_000, 20)], ids=str)
def test_extreme_shapes_cost_no_more_than_their_pixels(
    mtcnn: Mtcnn, shape_hw: tuple[int, int]
) -> None:
    runs: list[tuple[int, ...]] = []

    class Noted:
        def run(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
            runs.append(inputs.shape)
            return mtcnn.pnet.run(inputs)

    image = LazyImage.from_packed(np.zeros(shape_hw, np.uint32))
    assert replace(mtcnn, pnet=Noted()).detect(image, DetectOptions(), Stopwatch()).faces == ()
    seen = [height * width for _, height, width, _ in runs]
    assert max(seen) < 200_000
    assert sum(seen) < 2 * 0.6**2 * 20 * 200_000 / (1 - 0.709**2)


def test_a_picture_full_of_proposals_is_bounded(
    mtcnn: Mtcnn, read_image: Callable[[str], LazyImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    crops: dict[str, int] = {}

    class Noted:
        def __init__(self, name: str, network: Session) -> None:
            self.name, self.network = name, network

        def run(self, inputs: np.ndarray) -> Mapping[str, np.ndarray]:
            crops[self.name] = crops.get(self.name, 0) + len(inputs)
            return self.network.run(inputs)

    noted = replace(mtcnn, rnet=Noted("rnet", mtcnn.rnet), onet=Noted("onet", mtcnn.onet))
    crowd = read_image("row_960x540.png")
    found = noted.detect(crowd, DetectOptions(), Stopwatch()).faces
    free = dict(crops)
    assert free["rnet"] > 40
    assert free["onet"] > 10
    crops.clear()
    monkeypatch.setattr(cascade, "MAX_RNET_CROPS", 40)
    monkeypatch.setattr(cascade, "MAX_ONET_CROPS", 3)
    fewer = noted.detect(crowd, DetectOptions(), Stopwatch()).faces
    assert crops == {"rnet": 40, "onet": 3}
    assert 0 < len(fewer) <= 3 < len(found)


def test_stages_and_parts_are_timed(mtcnn: Mtcnn, read_image: Callable[[str], LazyImage]) -> None:
    stopwatch = Stopwatch()
    mtcnn.detect(read_image("group_640x480.png"), DetectOptions(), stopwatch)
    timings = stopwatch.to_timings()
    assert {stage for stage, seconds in timings.stages.items() if seconds} == {
        "decode",
        "preprocess",
        "inference",
        "postprocess",
    }
    assert list(timings.parts) == ["pnet", "rnet", "onet"]
    assert sum(timings.parts.values()) == pytest.approx(timings.stages["inference"])


def test_a_picture_thinner_than_a_face_needs_no_integral(mtcnn: Mtcnn) -> None:
    image = LazyImage.from_packed(np.zeros((1, 1_000_000), np.uint32))
    assert measure_peak(lambda: mtcnn.detect(image, DetectOptions(), Stopwatch())) < 1_000_000


def test_memory_is_bounded_if_every_cell_passes(mtcnn: Mtcnn) -> None:
    eager = replace(mtcnn, spec=replace(mtcnn.spec, min_scores=(0.0, 1.0, 1.0)))
    sums = compute_integral(np.zeros((3000, 3000), np.uint32))
    assert measure_peak(lambda: eager.propose_level(sums, 0.6, Stopwatch())) < 30_000_000


def measure_peak(call: Callable[[], object]) -> int:
    """Return the most bytes that arrays of numpy take during a call."""
    tracemalloc.start()
    call()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak_bytes
