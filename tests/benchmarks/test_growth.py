import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.growth import (
    MAX_GROWN,
    GrowthPoint,
    encode_faces,
    encode_scaled,
    fit_slope,
    measure_request,
    read_peak_mb,
    report_sizes,
    to_panels,
)
from benchmarks.kit.errors import BenchmarkError
from benchmarks.kit.requests import encode_raw
from benchmarks.kit.service import start_service
from phiz.engine import build_engine
from phiz.faces import DetectOptions
from phiz.image.decode import open_image
from phiz.image.limits import DecodingLimits
from phiz.timings import Stopwatch

LIMITS = DecodingLimits(64 << 20, 50_000_000)


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_slope_is_the_power_of_the_larger_half(power: float) -> None:
    fixed = [GrowthPoint(x, 7.0, 0) for x in (0, 1, 2)]
    grown = [GrowthPoint(x, 3 * x**power, 0) for x in (4, 8, 16, 64)]
    assert fit_slope([*fixed, *grown]) == pytest.approx(power, abs=1e-9)


def test_one_point_has_no_slope() -> None:
    assert fit_slope([GrowthPoint(0, 1.0, 0), GrowthPoint(2, 5.0, 0)]) is None


@pytest.mark.parametrize("megapixels", [0.1, 3.0])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_image_has_its_megapixels(megapixels: float, kind: str) -> None:
    image = open_image(encode_scaled(megapixels, kind), LIMITS)
    assert image.width * image.height == pytest.approx(megapixels * 1e6, rel=0.01)


def test_crowd_has_its_number_of_faces(models_folder: Path) -> None:
    engine = build_engine(models_folder, "half-pixel", LIMITS, ["mtcnn"])
    for count in (0, 12):
        found = engine.detect(encode_faces(count), "mtcnn", DetectOptions(), Stopwatch())
        assert len(found.faces) == count


def test_peak_of_a_process_is_at_least_what_it_holds() -> None:
    before_mb = read_peak_mb(os.getpid())
    held = np.ones(100_000_000, np.uint8)
    assert read_peak_mb(os.getpid()) >= held.nbytes / 1e6
    assert before_mb > 10


@pytest.mark.integration
def test_request_has_a_cost_and_a_refused_one_ends_the_benchmark(models_folder: Path) -> None:
    small, large = (
        encode_raw("/detect?model=mtcnn", encode_scaled(megapixels, "JPEG"), "image/jpeg")
        for megapixels in (0.1, 2.0)
    )
    with start_service(1, {"PHIZ_MODELS": str(models_folder)}) as service:
        one, other = (measure_request(service, 1, request) for request in (small, large))
        assert 0 < one.ms < other.ms
        assert 20 < one.memory_mb < other.memory_mb
        with pytest.raises(BenchmarkError, match="answered 415"):
            measure_request(service, 1, encode_raw("/detect", b"text", "text/plain"))


def test_memory_that_has_grown_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    report_sizes({"grown": MAX_GROWN}, None)
    with pytest.raises(BenchmarkError, match=r"grew to 1\.030 times"):
        report_sizes({"grown": 1.03}, None)
    assert '"grown": 1.02' in capsys.readouterr().out


def test_chart_has_times_of_all_that_grows_and_memory_of_images() -> None:
    names = ("pixels (megapixels)", "faces", "images of a batch", "clients", "workers")
    series = {
        name: {"front": [GrowthPoint(1, 2.0, 3.0), GrowthPoint(2, 4.0, 5.0)]} for name in names
    }
    panels = list(to_panels(series))
    assert len(panels) == 6
    assert panels[0].series["front"] == [(1, 2.0), (2, 4.0)]
    assert panels[-1].series["front"] == [(1, 3.0), (2, 5.0)]
